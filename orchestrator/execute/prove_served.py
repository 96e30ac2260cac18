"""prove_served: the running server's own token ids, for what clients really send, against those of training.

/tokenize shows the prompt of a chat request; a completion with return_token_ids shows the one that was
really used, also where only a completion has the setting (reasoning_effort, which vLLM 0.32 turns into
enable_thinking). An answer of the server's own is sent back exactly as it came, reasoning field and all.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Self

import httpx

from orchestrator.errors import MissingError, Problem, StageFailed, TimedOut
from orchestrator.execute.compare import IdsFile, training_of
from orchestrator.execute.json_lines import key_of, lines_of
from orchestrator.execute.key import read_key
from orchestrator.execute.prepare import GENERATED, HELD_OUT
from orchestrator.execute.proof_file import leave_proof
from orchestrator.execute.trouble import Kind, trouble_of
from orchestrator.execute.wire import http_client
from orchestrator.probes.spellings import LOSSY, SPELLINGS, is_bare
from orchestrator.proofs.served import Judged, prove
from orchestrator.templates.compare import compare_turn
from orchestrator.templates.explain import Training
from orchestrator.templates.pieces import Pieces

TIMEOUT = 120.0
RETURNED = 8
# Rows of each sort that completions are asked of: each costs the model a pass over the prompt.
COMPLETED = 2
EFFORTS = ("none", "low", "high")
ROOM = 8

Message = dict[str, Any]
Row = dict[str, Any]


def prove_served(settings: Mapping[str, Any], folder: Path) -> int:
    """Ask, judge, and write the proof; 5 when it does not hold and was not accepted.

    Args:
        settings: training_ids, conversations, prepared (prepare.json), out: paths in the folder; thinking;
            rows: how many of the recipe's rows, and of the made-up ones; accept_mismatch.
        folder: the run folder.

    Raises:
        MissingError: no service, or a file is not there. StageFailed: the server died or refuses to say its
            ids. TimedOut: it answers no more.
    """
    trained = IdsFile.open(folder / settings["training_ids"])
    chosen = choose(trained, settings["rows"])
    wanted = {key_of(row) for row in chosen}
    lines = lines_of(folder / settings["conversations"])
    talks = {key_of(line): line["messages"] for line in lines if key_of(line) in wanted}
    prepared = folder / settings["prepared"]
    with Asker.of_environment(training_of(trained.header), trained.pieces) as asker:
        judged, completed = [], Counter[bool]()
        for row in chosen:
            where, made_up = _where(row, prepared), row["dataset"] == GENERATED
            completed[made_up] += 1
            for one in requests_of(row, talks[key_of(row)], mixed=settings["thinking"] == "mixed"):
                if not one.completes or completed[made_up] <= COMPLETED:
                    judged += asker.judge(one, where)
        returned = 0
        several = [row for row in chosen if len(row["turns"]) > 1 and row["dataset"] != GENERATED]
        for row in several[:RETURNED]:
            found = asker.returned(row, talks[key_of(row)], _where(row, prepared))
            returned += bool(found)
            judged += found
        skipped = {"prompts longer than the server takes": asker.too_long}
    return leave_proof(prove(judged, rows=len(chosen), returned=returned, skipped=skipped), settings, folder)


def choose(trained: IdsFile, most: int) -> list[Row]:
    """Up to `most` rows of the recipe's, spread over the file, the longest talks first; and made-up ones."""
    groups: dict[bool, list[Row]] = {True: [], False: []}
    counts = Counter(row["dataset"] == GENERATED for row in trained.rows() if _is_asked(row))
    seen: Counter[bool] = Counter()
    for row in trained.rows():
        if not _is_asked(row):
            continue
        made_up = row["dataset"] == GENERATED
        step = max(1, counts[made_up] // (most * 2))
        if seen[made_up] % step == 0:
            groups[made_up].append(row)
        seen[made_up] += 1
    ordered = (sorted(rows, key=lambda row: -len(row["turns"])) for rows in (groups[False], groups[True]))
    return [row for rows in ordered for row in islice(rows, most)]


def _is_asked(row: Row) -> bool:
    return bool(row["turns"]) and not row["uncovered"] and not row["cut"] and row["dataset"] != HELD_OUT


@dataclass(frozen=True, slots=True)
class Request:
    """One way to ask for one trained answer."""

    client: str
    row: Row
    turn: Row
    messages: Sequence[Message]
    extra: Mapping[str, Any] = field(default_factory=dict)
    lossy: bool = False
    completes: bool = False


def requests_of(row: Row, messages: Sequence[Message], *, mixed: bool) -> Iterator[Request]:
    """Every way in which clients ask for the trained answers of a row."""
    answers = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    for turn in row["turns"]:
        before, answer = messages[: answers[turn["turn"]]], messages[answers[turn["turn"]]]
        # Trained with and without thinking: the request says which is wanted.
        own: dict[str, Any] = {"enable_thinking": False} if mixed and is_bare(answer) else {}
        kwargs = {"chat_template_kwargs": own} if own else {}
        history = any(message["role"] == "assistant" for message in before)
        for name, spell in SPELLINGS.items() if history else [("thought", dict)]:
            sent = [spell(one) if one["role"] == "assistant" else one for one in before]
            yield Request(_CLIENTS[name], row, turn, sent, kwargs, lossy=name in LOSSY)
        if history:
            sent = [
                _renamed(SPELLINGS["trimmed"](one)) if one["role"] == "assistant" else one for one in before
            ]
            # vLLM 0.32 reads `reasoning` alone: the other name loses the thought before a template sees it.
            yield Request("a reasoning_content field", row, turn, sent, kwargs, lossy=True)
        parts = [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in before]
        yield Request("content as a list", row, turn, parts, kwargs)
        for switch in () if mixed else (True, False):
            name = f"enable_thinking: {str(switch).lower()}"
            yield Request(name, row, turn, before, {"chat_template_kwargs": {"enable_thinking": switch}})
        if turn is not row["turns"][-1]:
            continue
        yield Request("a completion", row, turn, before, kwargs, completes=True)
        for effort in () if mixed else EFFORTS:
            yield Request(
                f"reasoning_effort: {effort}", row, turn, before, {"reasoning_effort": effort}, completes=True
            )


_CLIENTS = {
    "thought": "the conversation as it was trained",
    "answer": "the answer alone",
    "newlines": "the answer with the parser's blank line",
    "reasoning": "the answer and its reasoning field",
    "trimmed": "the answer and its reasoning field, trimmed",
    "emitted": "the answer as it was written, its empty thought included",
}


def _renamed(message: Message) -> Message:
    return {("reasoning_content" if key == "reasoning" else key): value for key, value in message.items()}


@dataclass(slots=True)
class Asker:
    """The server, and how its prompts are judged."""

    client: httpx.Client
    root: str
    model: str
    training: Training
    pieces: Pieces
    longest: int = 0
    too_long: int = 0

    @classmethod
    def of_environment(cls, training: Training, pieces: Pieces) -> Asker:
        """The service that this task was given.

        Raises:
            MissingError: none was.
        """
        url, model = os.environ.get("CONCH_SERVICE_URL", ""), os.environ.get("CONCH_SERVICE_MODEL", "")
        if not url or not model:
            what = "no service to prove: CONCH_SERVICE_URL and CONCH_SERVICE_MODEL are not set"
            raise MissingError(Problem(what, mend="conch prove RECIPE starts one, or takes --base-url"))
        client = http_client(url, read_key() or "", TIMEOUT)
        return cls(client, url.removesuffix("/v1"), model, training, pieces)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def judge(self, request: Request, where: str) -> list[Judged]:
        """[] when the server takes no prompt of this length."""
        ids = self._completed(request) if request.completes else self._tokenized(request)
        if ids is None:
            self.too_long += 1
            return []
        return [self._judged(request, ids, where)]

    def returned(self, row: Row, messages: Sequence[Message], where: str) -> list[Judged]:
        """The second answer's prompt, the first being the server's own and sent back as it came; else []."""
        first, second = row["turns"][:2]
        answers = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
        before = list(messages[: answers[first["turn"]]])
        labels = row["ids"][first["start"] : first["end"]]
        body = {
            "messages": before,
            "max_tokens": len(labels) + ROOM,
            "temperature": 0,
            "return_token_ids": True,
        }
        choice = self._post("/v1/chat/completions", body)["choices"][0]
        given = choice.get("token_ids") or []
        if given not in (labels, labels[:-1]):
            return []
        said = {
            key: value for key, value in choice["message"].items() if key in _RETURNED and value is not None
        }
        said.setdefault("content", "")
        sent = [*before, said, *messages[answers[first["turn"]] + 1 : answers[second["turn"]]]]
        request = Request("the server's own answer as it came", row, second, sent)
        return self.judge(request, where)

    def _judged(self, request: Request, ids: list[int], where: str) -> Judged:
        row, turn = request.row, request.turn
        trained = {
            "turn": turn["turn"],
            "context": row["ids"][: turn["start"]],
            "labels": row["ids"][turn["start"] : turn["end"]],
        }
        variant = {"names": [request.client], "lossy": request.lossy, "ids": ids, "error": ""}
        place = (row["dataset"], row["row"])
        pieces = (self.pieces, self.pieces)
        verdict = compare_turn(place, trained, {"variants": [variant]}, self.training, pieces)
        return Judged(request.client, where, verdict)

    def _tokenized(self, request: Request) -> list[int] | None:
        body = {"messages": list(request.messages), "add_generation_prompt": True, **request.extra}
        found: list[int] = self._post("/tokenize", body)["tokens"]
        return found

    def _completed(self, request: Request) -> list[int] | None:
        body = {
            "messages": list(request.messages),
            "max_tokens": 1,
            "temperature": 0,
            "return_token_ids": True,
        }
        room = request.turn["start"] + 1
        if self.longest and room > self.longest:
            return None
        answer = self._post("/v1/chat/completions", {**body, **request.extra}, room=room)
        if answer is None:
            return None
        ids: list[int] = answer["prompt_token_ids"] or []
        return ids

    def _post(self, path: str, body: Mapping[str, Any], *, room: int = 0) -> Any:
        url = self.root + path
        try:
            answer = self.client.post(url, json={"model": self.model, **body})
        except httpx.HTTPError as error:
            trouble = trouble_of(error, url=url, timeout=TIMEOUT)
            kinds = {Kind.NOT_THERE: MissingError, Kind.TIMEOUT: TimedOut}
            raise kinds.get(trouble.kind, StageFailed)(Problem(str(trouble), url)) from error
        if answer.status_code == httpx.codes.BAD_REQUEST and room:
            self.longest = min(self.longest or room, room)
            return None
        if answer.status_code != httpx.codes.OK:
            what = f"the server answers {answer.status_code}: {answer.text[:300]}"
            raise StageFailed(Problem(what, url, "prove a vLLM server that Conch started: conch serve"))
        return answer.json()


_RETURNED = ("role", "content", "reasoning", "reasoning_content")


def _where(row: Row, prepared: Path) -> str:
    files = {one["name"]: one["file"] for one in json.loads(prepared.read_bytes())["datasets"]}
    return f"{files.get(row['dataset'], row['dataset'])}:{row['row']}"
