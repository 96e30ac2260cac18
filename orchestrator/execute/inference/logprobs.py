"""score_served: the rows that the trainer scored, scored by the running server.

Each row twice: its training ids as they are (what the served weights make of them), and for each trained
answer the ids that the server itself makes of the messages before it (/tokenize), with the answer's labels
behind them (what a client's question makes of it). A served prompt may already hold the first labels, as a
template does that opens the thought: then the labels after those are scored.

JSON lines, one a row: {"dataset", "row", "held_out", "error", "turns": [{"turn", "weights", "prompt",
"prefilled", "same_prompt", "error"}]}; weights and prompt are log probabilities, one a label.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from orchestrator.errors import MissingError, Problem, StageFailed, TimedOut
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.jsonl import key_of, lines_of
from orchestrator.execute.inference.api_key import ServiceAddress
from orchestrator.execute.inference.request_errors import ErrorKind, trouble_of
from orchestrator.execute.inference.transport import http_client
from orchestrator.plan.stages.prove_served import ScoreServedSettings

TIMEOUT = 300.0
BAD_REQUEST = 400
NOT_FOUND = 404
UNAUTHORIZED = (401, 403)
SERVER_ERROR = 500
SHOWN = 300

Row = dict[str, Any]


def score_served(settings: ScoreServedSettings, folder: Path) -> int:
    """The task: write the server's scores of every row that the trainer scored.

    Raises:
        MissingError: a file, or the service, is not there; the server wants a key or knows no such way.
        StageFailed: the server died, or gives no prompt_logprobs. TimedOut: it answers no more.
    """
    wanted = {key_of(row) for row in lines_of(folder / settings.trainer) if "dataset" in row}
    header, rows = {}, []
    for row in lines_of(folder / settings.training_ids):
        if "template" in row:
            header = row
        elif "dataset" in row and key_of(row) in wanted:
            rows.append(row)
    lines = lines_of(folder / settings.conversations)
    messages = {key_of(each): each["messages"] for each in lines if key_of(each) in wanted}
    scored = []
    with Scoring.of_environment() as server:
        for number, row in enumerate(rows, 1):
            scored.append(_score(server, row, messages.get(key_of(row), []), header))
            sys.stderr.write(f"scored {number}/{len(rows)}\n")
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in scored)
    write_durable(folder / settings.out, text)
    return 0


class Scoring:
    """A vLLM server as a scorer of token ids.

    Args:
        base_url: ends in /v1. model: the served name. key: "" where the server wants none.
    """

    def __init__(self, base_url: str, model: str, key: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._key = key
        self._http = http_client(self.base_url, key, TIMEOUT)

    @classmethod
    def of_environment(cls) -> Self:
        """The service of this stage. Raises MissingError when there is none."""
        service = ServiceAddress.of_environment()
        return cls(service.url, service.model, service.key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def logprobs(self, ids: Sequence[int], start: int) -> list[float]:
        """The log probability of each id from `start` on, given all before it.

        Raises:
            ValueError: the server refuses this prompt. ConchError: as score_served.
        """
        body = {"prompt": list(ids), "max_tokens": 1, "temperature": 0, "prompt_logprobs": 1}
        answer = self._post(f"{self.base_url}/completions", body)
        try:
            told = answer["choices"][0]["prompt_logprobs"]
            return [float(told[at][str(ids[at])]["logprob"]) for at in range(start, len(ids))]
        except (KeyError, IndexError, TypeError):
            what = "the server gives no prompt_logprobs: it is no vLLM, or an old one"
            raise StageFailed(Problem(what, self.base_url, "serve with the pinned vLLM")) from None

    def prompt(
        self, messages: Sequence[Mapping[str, Any]], kwargs: Row | None, *, generation: bool = True
    ) -> list[int]:
        """The ids that the server makes of a chat request; without `generation` of a conversation that ended.

        Raises:
            ValueError: the server refuses these messages. ConchError: as score_served.
        """
        body: Row = {"messages": list(messages), "add_generation_prompt": generation}
        if kwargs:
            body["chat_template_kwargs"] = kwargs
        answer = self._post(self.base_url.removesuffix("/v1") + "/tokenize", body)
        try:
            return [int(token) for token in answer["tokens"]]
        except (KeyError, TypeError, ValueError):
            what = "the server's /tokenize gives no token ids"
            raise StageFailed(Problem(what, self.base_url, "serve with the pinned vLLM")) from None

    def _post(self, url: str, body: Row) -> Any:
        try:
            response = self._http.post(url, json={"model": self.model, **body})
            status, text = response.status_code, response.text
            answer = response.json() if status == httpx.codes.OK else None
        except (httpx.HTTPError, ValueError) as error:
            trouble = trouble_of(error, url=self.base_url, timeout=TIMEOUT, key=self._key)
            kind = TimedOut if trouble.kind is ErrorKind.TIMEOUT else StageFailed
            raise kind(Problem(str(trouble), url, "look into the server's log")) from None
        if answer is None:
            _refuse(status, text.replace(self._key, "***") if self._key else text, url)
        return answer


def _refuse(status: int, text: str, url: str) -> None:
    """Raise what a status that is not 200 means."""
    if status in UNAUTHORIZED:
        what = f"the server wants a key, or another one (HTTP {status})"
        raise MissingError(Problem(what, url, "set CONCH_API_KEY"))
    if status == NOT_FOUND:
        raise MissingError(Problem("the server knows no such model or address (HTTP 404)", url))
    told = " ".join(text.split())[:SHOWN]
    if BAD_REQUEST <= status < SERVER_ERROR:
        raise ValueError(f"the server refuses it (HTTP {status}): {told}")
    raise StageFailed(Problem(f"the server failed (HTTP {status}): {told}", url, "look into its log"))


def _score(server: Scoring, row: Row, messages: Sequence[Row], header: Mapping[str, Any]) -> Row:
    told = {name: row[name] for name in ("dataset", "row", "held_out")}
    ids, turns = row["ids"], row["turns"]
    first = turns[0]["start"]
    try:
        weights = server.logprobs(ids, first)
    except ValueError as error:
        return told | {"error": str(error), "turns": []}
    scored = []
    for turn in turns:
        start, end = turn["start"], turn["end"]
        mine = {"turn": turn["turn"], "weights": _short(weights[start - first : end - first])}
        scored.append(mine | _asked(server, ids[:end], start, _request(turn["turn"], messages, header)))
    return told | {"error": "", "turns": scored}


def _request(
    turn: int, messages: Sequence[Row], header: Mapping[str, Any]
) -> tuple[Sequence[Row], Row | None]:
    """(the messages before a trained answer, the template's arguments that belong to it)."""
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    if turn >= len(answers):
        return [], None
    answer = messages[answers[turn]]["content"]
    # Mixed thinking: an answer without a thought was trained behind an empty one.
    bare = header.get("thinking", True) is None and "<think>" not in answer and "</think>" not in answer
    return messages[: answers[turn]], {"enable_thinking": False} if bare else None


def _asked(server: Scoring, ids: Sequence[int], start: int, request: tuple[Sequence[Row], Row | None]) -> Row:
    """The answer's score behind the prompt that the server makes itself."""
    found: Row = {"prompt": [], "prefilled": 0, "same_prompt": False, "error": ""}
    if not request[0]:
        return found | {"error": "its conversation is not in conversations.jsonl"}
    try:
        prompt = server.prompt(*request)
        prefilled = len(prompt) - start
        if prefilled < 0 or prompt != ids[: len(prompt)]:
            prefilled = 0
        whole = [*prompt, *ids[start + prefilled :]]
        same = whole == list(ids)
        scores = server.logprobs(whole, len(prompt)) if len(prompt) < len(whole) else []
        return found | {"prompt": _short(scores), "prefilled": prefilled, "same_prompt": same}
    except ValueError as error:
        return found | {"error": str(error)}


def _short(scores: Sequence[float]) -> list[float]:
    return [round(score, 6) for score in scores]
