"""prove_served: the running server's own token ids, for what clients really send, against those of training.

/tokenize shows the prompt of a chat request; a completion with return_token_ids shows the one that was
really used, also where only a completion has the setting (reasoning_effort, which vLLM 0.32 turns into
enable_thinking). An answer of the server's own is sent back exactly as it came, reasoning field and all.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from orchestrator.errors import ConchError, MissingError, Problem, StageFailed, TimedOut
from orchestrator.execute.data.prepare import GENERATED, HELD_OUT
from orchestrator.execute.host.jsonl import key_of, lines_of
from orchestrator.execute.inference.api_key import read_key
from orchestrator.execute.inference.request_errors import ErrorKind, request_error
from orchestrator.execute.inference.transport import http_client
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.execute.proving.token_parity import IdsFile, training_of
from orchestrator.probes.spellings import Message, split
from orchestrator.proofs.requests import Request, Row, before_answer, requests_of, thinking_of
from orchestrator.proofs.served import Judged, prove
from orchestrator.templates.compare import compare_turn
from orchestrator.templates.explain import Training
from orchestrator.templates.pieces import Pieces

TIMEOUT = 120.0
CONCURRENCY = 8
RETURNED = 8
# Rows of each sort that completions are asked of: each costs the model a pass over the prompt.
COMPLETED = 2
ROOM = 8
SHOWN = 300


def prove_served(settings: Mapping[str, Any], folder: Path) -> int:
    """Ask, judge, and write the proof; 5 when it does not hold and was not accepted.

    Args:
        settings: training_ids, conversations, prepared (prepare.json), out: paths in the folder; rows: how
            many of the recipe's rows, and of the made-up ones; accept_mismatch.
        folder: the run folder.

    Raises:
        MissingError: no service, or a file is not there. StageFailed: the server died or refuses to say its
            ids. TimedOut: it answers no more.
    """
    ids, talk, prepared = (folder / settings[name] for name in ("training_ids", "conversations", "prepared"))
    for path in (ids, prepared):
        if not path.is_file():
            raise MissingError(Problem("is not there", str(path), "run the stage that makes it"))
    trained = IdsFile.open(ids)
    files = {one["name"]: one["file"] for one in json.loads(prepared.read_bytes())["datasets"]}
    with ServedAsker.of_environment(training_of(trained.header), trained.pieces, files) as asker:
        chosen, left_out = choose(trained, settings["rows"], asker.longest)
        wanted = {key_of(row) for row in chosen}
        talks = {key_of(line): line["messages"] for line in lines_of(talk) if key_of(line) in wanted}
        lacking = wanted - talks.keys()
        if lacking:
            what = f"lacks the conversation of {lacking.pop()}"
            raise StageFailed(Problem(what, str(talk), "run the stage that makes it again"))
        judged, returned = asker.ask_all([(row, talks[key_of(row)]) for row in chosen])
    skipped = {"rows whose prompts are longer than the server takes": left_out}
    with_system = sum(talks[key_of(row)][0]["role"] == "system" for row in chosen)
    proof = prove(judged, rows=len(chosen), with_system=with_system, returned=returned, skipped=skipped)
    return leave_proof(proof, settings, folder)


def choose(trained: IdsFile, most: int, longest: int) -> tuple[list[Row], int]:
    """(up to `most` rows of the recipe's and as many made-up ones, how many do not fit into the server).

    Each sort is cut into as many stretches of its file, and the longest talk of each is taken. What was made
    up stands last.
    """
    counts: Counter[bool] = Counter()
    left_out = 0
    for row in filter(_is_asked, trained.rows()):
        fits = row["turns"][-1]["start"] < longest
        counts[_is_made_up(row)] += fits
        left_out += not fits
    seen: Counter[bool] = Counter()
    best: dict[tuple[bool, int], Row] = {}
    for row in filter(_is_asked, trained.rows()):
        if row["turns"][-1]["start"] < longest:
            sort = _is_made_up(row)
            stretch = (sort, seen[sort] * most // counts[sort])
            seen[sort] += 1
            if stretch not in best or _answers(row) > _answers(best[stretch]):
                best[stretch] = row
    return [best[stretch] for stretch in sorted(best)], left_out


def _answers(row: Row) -> int:
    turn: int = row["turns"][-1]["turn"]
    return turn


def _is_made_up(row: Row) -> bool:
    return bool(row["dataset"] == GENERATED)


def _is_asked(row: Row) -> bool:
    return bool(row["turns"]) and not row["uncovered"] and not row["cut"] and row["dataset"] != HELD_OUT


@dataclass(slots=True)
class ServedAsker:
    """The server, and how its prompts are judged.

    Attributes:
        client, root, model, key: the server. longest: how many tokens it takes, question and answer.
        training, pieces: how it was trained. files: data set → its file as people know it.
    """

    client: httpx.Client
    root: str
    model: str
    key: str
    training: Training
    pieces: Pieces
    files: Mapping[str, str]
    longest: int = 0

    @classmethod
    def of_environment(cls, training: Training, pieces: Pieces, files: Mapping[str, str]) -> ServedAsker:
        """The service that this task was given.

        Raises:
            MissingError: none was, nobody listens there, or it serves another model. StageFailed: it does not
                say how long a prompt it takes.
        """
        url, model = os.environ.get("CONCH_SERVICE_URL", ""), os.environ.get("CONCH_SERVICE_MODEL", "")
        if not url or not model:
            what = "no service to prove: CONCH_SERVICE_URL and CONCH_SERVICE_MODEL are not set"
            raise MissingError(Problem(what, hint="conch prove RECIPE starts one, or takes --base-url"))
        key = read_key() or ""
        asker = cls(
            http_client(url, key, TIMEOUT), url.removesuffix("/v1"), model, key, training, pieces, files
        )
        told = asker.send("GET", "/v1/models", gone=MissingError)
        served = {one.get("id"): one.get("max_model_len") for one in told.get("data", ())}
        if model not in served:
            what = f"the server has no model {model}, but {', '.join(map(str, served)) or 'none'}"
            raise MissingError(Problem(what, url, "give the address of the server of this run: conch serve"))
        if not served[model]:
            what = f"the server does not say how many tokens {model} takes (max_model_len)"
            raise StageFailed(Problem(what, url, "prove a vLLM server that Conch started: conch serve"))
        asker.longest = int(served[model])
        return asker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def ask_all(self, talks: Sequence[tuple[Row, Sequence[Message]]]) -> tuple[list[Judged], int]:
        """(every request judged, how many of the server's own answers were sent back as they came)."""
        longest_first = sorted((row for row, _ in talks), key=lambda row: -_answers(row))
        sorts = ([row for row in longest_first if _is_made_up(row) is sort] for sort in (False, True))
        completed = {key_of(row) for rows in sorts for row in rows[:COMPLETED]}
        requests = [
            request
            for row, messages in talks
            for request in requests_of(row, messages, self.training, completions=key_of(row) in completed)
        ]
        several = [one for one in talks if _answers(one[0]) and not _is_made_up(one[0])][:RETURNED]
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            judged = list(pool.map(self.judge, requests))
            own = list(pool.map(lambda one: self.returned(*one), several))
        found = [one for one in own if one]
        return judged + found, len(found)

    def judge(self, request: Request) -> Judged:
        """What the server makes of a request; what its template refuses differs, in its own words."""
        if request.completes:
            told, key = self._complete(request.messages, 1, request.extra), "prompt_token_ids"
        else:
            body = {"messages": list(request.messages), "add_generation_prompt": True, **request.extra}
            told, key = self.send("POST", "/tokenize", body), "tokens"
        error = _refusal(told)
        ids = [] if error else told.get(key)
        if not isinstance(ids, list) or (not ids and not error):
            what = f"the server does not say the ids of its prompt ({key})"
            raise StageFailed(Problem(what, self.root, "prove a vLLM server that Conch started: conch serve"))
        row = request.row
        variant = {"names": [request.client], "lossy": request.lossy, "ids": ids, "error": error}
        both = (self.pieces, self.pieces)
        place = (row["dataset"], row["row"])
        verdict = compare_turn(place, request.trained, {"variants": [variant]}, self.training, both)
        where = f"{self.files.get(row['dataset'], row['dataset'])}:{row['row']}"
        return Judged(request.client, where, verdict, made_up=_is_made_up(row))

    def returned(self, row: Row, messages: Sequence[Message]) -> Judged | None:
        """The prompt of a later answer, the one before it being the server's own and sent back as it came.

        None when that answer was not, word for word, the one of the data.
        """
        later = next(turn for turn in row["turns"] if turn["turn"])
        earlier = next((turn for turn in row["turns"] if turn["turn"] == later["turn"] - 1), None)
        before, said = before_answer(messages, later["turn"] - 1)
        asked, answer = before_answer(messages, later["turn"])
        room = earlier["end"] - earlier["start"] + ROOM if earlier else later["start"]
        mixed = self.training.reasons and self.training.thinking is None
        extra = thinking_of(said, mixed=mixed)
        told = self._complete(before, min(room, self.longest - later["start"]), extra)
        if _refusal(told):
            return None
        choice = told["choices"][0]
        if earlier:
            labels = row["ids"][earlier["start"] : earlier["end"]]
            exact = choice.get("token_ids") in (labels, labels[:-1])
        else:  # an answer before the last one that was not trained: its context has the text alone
            content = choice["message"].get("content") or ""
            exact = content.strip("\n") == split(said["content"])[1].strip("\n")
        if not exact:
            return None
        own = {key: choice["message"][key] for key in _RETURNED if key in choice["message"]}
        sent = [*before, own, *asked[len(before) + 1 :]]
        extra = thinking_of(answer, mixed=mixed)
        return self.judge(Request("the server's own answer as it came", row, later, sent, extra))

    def _complete(self, messages: Sequence[Message], room: int, extra: Mapping[str, Any]) -> Any:
        settings = {"max_tokens": room, "temperature": 0, "return_token_ids": True, **extra}
        return self.send("POST", "/v1/chat/completions", {"messages": list(messages), **settings})

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        gone: type[ConchError] = StageFailed,
    ) -> Any:
        """The answer as JSON; of a request that the server refuses as wrong, its "error".

        Raises:
            what `gone` says: nobody listens. StageFailed: any other trouble. TimedOut: no answer in time.
        """
        url = self.root + path
        try:
            answer = self.client.request(method, url, json={"model": self.model, **body} if body else None)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            trouble = request_error(error, url=url, timeout=TIMEOUT)
            kind = {ErrorKind.NOT_THERE: gone, ErrorKind.TIMEOUT: TimedOut}.get(trouble.kind, StageFailed)
            raise kind(Problem(str(trouble), url, "look into the server's log")) from None
        refused = answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
        if isinstance(told, dict) and (answer.is_success or (refused and body)):
            return told if answer.is_success else {"error": _shown(answer.text, self.key)}
        what = f"the server answers {answer.status_code}: {_shown(answer.text, self.key)}"
        raise StageFailed(Problem(what, url, "prove a vLLM server that Conch started: conch serve"))


_RETURNED = ("role", "content", "reasoning", "reasoning_content")


def _refusal(told: Mapping[str, Any]) -> str:
    return str(told.get("error") or "")


def _shown(text: str, key: str) -> str:
    """A server's words: the message alone where there is one, and never the key."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = json.loads(text)["error"]["message"]
    plain = " ".join(str(text).split())
    return (plain.replace(key, "***") if key else plain)[:SHOWN]
