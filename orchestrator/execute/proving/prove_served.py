"""The task `prove_served`: the server's token ids for real client requests, against those of training.

/tokenize shows the prompt of a chat request; a completion with return_token_ids shows the prompt that was
used, also where only a completion has the setting (reasoning_effort, which vLLM 0.32 turns into
enable_thinking). An answer of the server itself is sent back unchanged, reasoning field included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from orchestrator.errors import ConchError, MissingError, Problem, StageFailed, TimedOut
from orchestrator.execute.data.prepare import GENERATED, HELD_OUT
from orchestrator.execute.host.jsonl import key_of, lines_of
from orchestrator.execute.inference.api_key import ServiceAddress
from orchestrator.execute.inference.delta import delta_of
from orchestrator.execute.inference.request_errors import (
    ErrorKind,
    detail_of,
    read_json,
    request_error,
    status_error,
)
from orchestrator.execute.inference.server_events import events
from orchestrator.execute.inference.transport import http_client
from orchestrator.execute.proving.probe_files import (
    IdsFile,
    location,
    open_trained,
    sources_of,
    trained_ids,
    training_of,
)
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.outside import Outside, listed
from orchestrator.plan.stages.prove_served import ProveServedSettings
from orchestrator.probes.spellings import Message, calls_of, split
from orchestrator.proofs.requests import (
    OWN_ANSWER,
    Extra,
    Request,
    before_answer,
    declared,
    requests_of,
    thinking_of,
)
from orchestrator.proofs.served import Content, Judged, prove
from orchestrator.proofs.trained import RowIds, TrainHeader
from orchestrator.results import Sentence
from orchestrator.templates.compare import Variant, compare_turn
from orchestrator.templates.pieces import Pieces
from orchestrator.templates.prompt_diff import Training

TIMEOUT = 120.0
CONCURRENCY = 8
RETURNED = 8
# Rows of each sort for which completions are requested: each costs the model a pass over the prompt.
COMPLETED = 2
ROOM = 8
# Rows whose answers are read as a client shows them, whole and streamed.
READ = 3
_TOO_LONG = Sentence("rows with prompts longer than the server accepts", "行的提示词超过服务端的长度上限")
_OTHER_SERVER = "prove a vLLM server that Conch started: conch serve"


def prove_served(settings: ProveServedSettings, folder: Path) -> int:
    """Send the requests, judge the prompts, write the proof; 5 if it neither holds nor is accepted."""
    trained = open_trained(folder / settings.training_ids)
    conversations = folder / settings.conversations
    sources = sources_of(folder / settings.prepared)
    with ServedAsker.of_environment(training_of(trained.header), trained.pieces, sources) as asker:
        chosen, left_out = choose(trained, settings.rows, asker.longest)
        keys = {key_of(row) for row in chosen}
        talks = {key_of(line): line["messages"] for line in lines_of(conversations) if key_of(line) in keys}
        lacking = keys - talks.keys()
        if lacking:
            what = f"lacks the conversation of {lacking.pop()}"
            raise StageFailed(Problem(what, str(conversations), "run the stage that makes it again"))
        pairs = [(row, talks[key_of(row)]) for row in chosen]
        judged, returned = asker.ask_all(pairs)
        contents = asker.contents(pairs)
    with_system = sum(talks[key_of(row)][0]["role"] == "system" for row in chosen)
    skipped: dict[str, int] = {_TOO_LONG: left_out}
    proof = prove(
        judged,
        rows=len(chosen),
        with_system=with_system,
        returned=returned,
        skipped=skipped,
        contents=contents,
    )
    return leave_proof(proof, settings, folder)


def choose(trained: IdsFile[TrainHeader], most: int, longest: int) -> tuple[list[RowIds], int]:
    """(up to `most` rows of the recipe and as many generated ones, how many do not fit into the server).

    Each sort is divided into as many stretches of its file, and the longest conversation of each is taken.
    Generated rows come last.
    """
    counts: Counter[bool] = Counter()
    left_out = 0
    for row in _askable(trained):
        fits = row["turns"][-1]["start"] < longest
        counts[_is_generated(row)] += fits
        left_out += not fits
    counted: Counter[bool] = Counter()
    best: dict[tuple[bool, int], RowIds] = {}
    for row in _askable(trained):
        if row["turns"][-1]["start"] < longest:
            sort = _is_generated(row)
            stretch = (sort, counted[sort] * most // counts[sort])
            counted[sort] += 1
            if stretch not in best or _answers(row) > _answers(best[stretch]):
                best[stretch] = row
    return [best[stretch] for stretch in sorted(best)], left_out


def _askable(trained: IdsFile[TrainHeader]) -> Iterator[RowIds]:
    for row in trained_ids(trained):
        if row["turns"] and not row["uncovered"] and not row["cut"] and row["dataset"] != HELD_OUT:
            yield row


def _answers(row: RowIds) -> int:
    return row["turns"][-1]["turn"]


def _is_generated(row: RowIds) -> bool:
    return row["dataset"] == GENERATED


@dataclass(slots=True)
class ServedAsker:
    """The server, and what its prompts are compared with.

    `longest` is its context in tokens, `sources` maps datasets to their source files.
    """

    client: httpx.Client
    root: str
    model: str
    key: str
    training: Training
    pieces: Pieces
    sources: Mapping[str, str]
    longest: int = 0

    @classmethod
    def of_environment(cls, training: Training, pieces: Pieces, sources: Mapping[str, str]) -> ServedAsker:
        """The service of this task, from the environment; MissingError unless it serves our model."""
        service = ServiceAddress.of_environment()
        url, model, key = service.url, service.model, service.key
        asker = cls(
            http_client(url, key, TIMEOUT), url.removesuffix("/v1"), model, key, training, pieces, sources
        )
        models = asker.send("GET", "/v1/models", gone=MissingError)
        rows = models.get("data")
        served = {
            Outside(one.get("id"), limit=100): one.get("max_model_len")
            for one in (rows if isinstance(rows, list) else ())
            if isinstance(one, dict)
        }
        longest = served.get(Outside(model))
        if Outside(model) not in served:
            what = f"the server has no model {model}; it has: {listed(served)}"
            raise MissingError(Problem(what, url, "give the address of the server of this run: conch serve"))
        if not isinstance(longest, int) or longest < 1:
            what = f"the server does not report the context length of {model} (max_model_len)"
            raise StageFailed(Problem(what, url, _OTHER_SERVER))
        asker.longest = longest
        return asker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def ask_all(self, talks: Sequence[tuple[RowIds, Sequence[Message]]]) -> tuple[list[Judged], int]:
        """(every request judged, how many of the server's own answers were sent back)."""
        longest_first = sorted((row for row, _ in talks), key=lambda row: -_answers(row))
        sorts = ([row for row in longest_first if _is_generated(row) is sort] for sort in (False, True))
        completed = {key_of(row) for rows in sorts for row in rows[:COMPLETED]}
        requests = [
            request
            for row, messages in talks
            for request in requests_of(row, messages, self.training, completions=key_of(row) in completed)
        ]
        several = [one for one in talks if _answers(one[0]) and not _is_generated(one[0])][:RETURNED]
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            judged = list(pool.map(self.judge, requests))
            own = list(pool.map(lambda one: self.returned(*one), several))
        found = [one for one in own if one]
        return judged + found, len(found)

    def contents(self, talks: Sequence[tuple[RowIds, Sequence[Message]]]) -> list[Content]:
        """The content of the first answer to a few rows, whole and streamed; those that have one."""
        asked = [one for one in talks if one[0]["turns"][0]["turn"] == 0 and not _is_generated(one[0])][:READ]
        found = []
        for row, messages in asked:
            before, answer = before_answer(messages, 0)
            start, end = row["turns"][0]["start"], row["turns"][0]["end"]
            room = min(end - start + ROOM, self.longest - start)
            mixed = self.training.reasons and self.training.thinking is None
            extra = {**thinking_of(answer, mixed=mixed), **declared(messages)}
            whole = self._complete(before, room, extra)
            text = "" if whole.get("error") else whole["choices"][0]["message"].get("content")
            found += [Content(self._where(row), text or "")]
            found += [Content(self._where(row), self._streamed(before, room, extra), streamed=True)]
        return [one for one in found if one.text]

    def judge(self, request: Request) -> Judged:
        """The prompt that the server makes of a request; one that its template rejects differs."""
        if request.completes:
            answer, key = self._complete(request.messages, 1, request.extra), "prompt_token_ids"
        else:
            body = {"messages": list(request.messages), "add_generation_prompt": True, **request.extra}
            answer, key = self.send("POST", "/tokenize", body), "tokens"
        error = str(answer.get("error") or "")
        ids = [] if error else answer.get(key)
        if not isinstance(ids, list) or (not ids and not error):
            what = f"the server does not return the ids of its prompt ({key})"
            raise StageFailed(Problem(what, self.root, _OTHER_SERVER))
        row = request.row
        variant: Variant = {"names": [request.client], "lossy": request.lossy, "ids": ids, "error": error}
        both = (self.pieces, self.pieces)
        location = (row["dataset"], row["row"])
        verdict = compare_turn(location, request.trained, {"variants": [variant]}, self.training, both)
        return Judged(request.client, self._where(row), verdict, generated=_is_generated(row))

    def _where(self, row: RowIds) -> str:
        return location((row["dataset"], row["row"]), self.sources)

    def returned(self, row: RowIds, messages: Sequence[Message]) -> Judged | None:
        """The prompt of a later answer, after the server's own earlier answer was sent back unchanged.

        None if the server's answer does not equal the data word for word.
        """
        later = next(turn for turn in row["turns"] if turn["turn"])
        earlier = next((turn for turn in row["turns"] if turn["turn"] == later["turn"] - 1), None)
        before, previous = before_answer(messages, later["turn"] - 1)
        history, answer = before_answer(messages, later["turn"])
        room = earlier["end"] - earlier["start"] + ROOM if earlier else later["start"]
        mixed = self.training.reasons and self.training.thinking is None
        extra = {**thinking_of(previous, mixed=mixed), **declared(messages)}
        completion = self._complete(before, min(room, self.longest - later["start"]), extra)
        if completion.get("error"):
            return None
        choice = completion["choices"][0]
        if earlier:
            labels = row["ids"][earlier["start"] : earlier["end"]]
            exact = choice.get("token_ids") in (labels, labels[:-1])
        else:  # the earlier answer was not trained: only its text is known
            content = choice["message"].get("content") or ""
            exact = content.strip("\n") == split(previous["content"])[1].strip("\n")
        if not exact:
            return None
        message = choice["message"]
        own = {key: message[key] for key in _RETURNED if key in message} | calls_of(message)
        sent = [*before, own, *history[len(before) + 1 :]]
        extra = {**thinking_of(answer, mixed=mixed), **declared(messages)}
        return self.judge(Request(OWN_ANSWER, row, later, sent, extra))

    def _complete(self, messages: Sequence[Message], room: int, extra: Extra) -> dict[str, Any]:
        settings = {"max_tokens": room, "temperature": 0, "return_token_ids": True, **extra}
        return self.send("POST", "/v1/chat/completions", {"messages": list(messages), **settings})

    def _streamed(self, messages: Sequence[Message], room: int, extra: Extra) -> str:
        """The content of the same answer, streamed."""
        body = {"messages": list(messages), "max_tokens": room, "temperature": 0, "stream": True, **extra}
        url = f"{self.root}/v1/chat/completions"
        pieces = []
        try:
            with self.client.stream("POST", url, json={"model": self.model, **body}) as answer:
                for event in events(answer.iter_bytes()):
                    chunk = {} if event == "[DONE]" else read_json(event.encode())
                    choices = chunk.get("choices") if isinstance(chunk, dict) else None
                    if isinstance(choices, list) and choices:
                        pieces.append(delta_of(choices[0], "delta").content)
        except (httpx.HTTPError, ValueError) as error:
            failure = request_error(error, url=url, timeout=TIMEOUT, key=self.key)
            raise StageFailed(Problem(str(failure), url, "see the server's log")) from None
        return "".join(pieces)

    def send(
        self,
        method: str,
        path: str,
        body: Extra | None = None,
        *,
        gone: type[ConchError] = StageFailed,
    ) -> dict[str, Any]:
        """The answer as JSON, or {"error"} if the server rejects the request; `gone` if none listens."""
        url = self.root + path
        try:
            answer = self.client.request(method, url, json={"model": self.model, **body} if body else None)
            values = read_json(answer.content)
        except (httpx.HTTPError, ValueError) as error:
            failure = request_error(error, url=url, timeout=TIMEOUT, key=self.key)
            kind = {ErrorKind.NOT_THERE: gone, ErrorKind.TIMEOUT: TimedOut}.get(failure.kind, StageFailed)
            raise kind(Problem(str(failure), url, "see the server's log")) from None
        refused = answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
        if isinstance(values, dict) and (answer.is_success or (refused and body)):
            return values if answer.is_success else {"error": str(detail_of(answer, self.key))}
        raise StageFailed(Problem(str(status_error(answer, self.key)), url, _OTHER_SERVER))


_RETURNED = ("role", "content", "reasoning", "reasoning_content")
