"""The task `score_served`: the running server scores the rows that the trainer scored.

It scores each row twice: its training ids as they are, which shows what the served weights make of them;
and for each trained answer, the ids that the server makes of the messages before it (/tokenize), followed
by the answer's labels, which shows what a client's question makes of it. If the served prompt already holds
the first labels, as with a template that opens the thought, only the labels after those are scored. A
document is scored as ids and as text, without a mark that the server may put before a text; of a long one
what the trainer scored, as ids alone.

It writes JSON lines, one per row: {"dataset", "row", "held_out", "error", "turns": [{"turn", "weights",
"prompt", "prefilled", "same_prompt", "error"}]}; weights and prompt are log probabilities, one per label. A
document also has "marked": whether the server puts a mark before it unless told otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

from orchestrator.datasets.base import DOCUMENT
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.jsonl import key_of, lines_of
from orchestrator.execute.host.tell import tell
from orchestrator.execute.inference.token_server import TokenServer
from orchestrator.plan.stages.prove_served import ScoreServedSettings
from orchestrator.probes.spellings import request_of
from orchestrator.proofs.requests import template_options


class TrainedTurn(TypedDict):
    """A trained answer: its number, and its ids from start to end."""

    turn: int
    start: int
    end: int


class TrainedRow(TypedDict):
    """What this task reads of a row of training_ids.jsonl."""

    dataset: str
    row: int
    held_out: bool
    ids: list[int]
    turns: list[TrainedTurn]


class ServedScore(TypedDict):
    """The answer's score behind the server's own prompt."""

    prompt: list[float]
    prefilled: int
    same_prompt: bool
    error: str


Message = dict[str, Any]


def score_served(settings: ScoreServedSettings, folder: Path) -> int:
    """Write the server's scores of every row that the trainer scored."""
    trainer = (row for row in lines_of(folder / settings.trainer) if "dataset" in row)
    keys = {key_of(row): sum(len(turn["logprobs"]) for turn in row.get("turns", ())) for row in trainer}
    thinking: object = True
    rows: list[TrainedRow] = []
    for line in lines_of(folder / settings.training_ids):
        if "template" in line:
            thinking = line.get("thinking", True)
        elif "dataset" in line and key_of(line) in keys:
            rows.append(cast("TrainedRow", line))
    lines = lines_of(folder / settings.conversations)
    messages: dict[tuple[str, int], list[Message]] = {
        key_of(line): line["messages"] for line in lines if key_of(line) in keys
    }
    scored = []
    with TokenServer.of_environment() as server:
        for number, row in enumerate(rows, 1):
            said = messages.get((row["dataset"], row["row"]), [])
            if said and said[0]["role"] == DOCUMENT:
                scored.append(_score_document(server, row, said[0]["content"], keys[key_of(row)]))
            else:
                scored.append(_score(server, row, said, thinking))
            tell(f"scored {number}/{len(rows)}")
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in scored)
    write_durable(folder / settings.out, text)
    return 0


def _score(
    server: TokenServer, row: TrainedRow, messages: Sequence[Message], thinking: object
) -> dict[str, object]:
    named = {"dataset": row["dataset"], "row": row["row"], "held_out": row["held_out"]}
    ids, turns = row["ids"], row["turns"]
    first = turns[0]["start"]
    tools, sent = request_of(messages)
    try:
        weights = server.logprobs(ids, first)
    except ValueError as error:
        return {**named, "error": str(error), "turns": []}
    scored = []
    for turn in turns:
        start, end = turn["start"], turn["end"]
        served = _served(server, ids[:end], start, _request(turn["turn"], sent, thinking), tools)
        scored.append(
            {"turn": turn["turn"], "weights": _rounded(weights[start - first : end - first]), **served}
        )
    return {**named, "error": "", "turns": scored}


def _score_document(server: TokenServer, row: TrainedRow, text: str, labels: int) -> dict[str, object]:
    """A document's first labels, as the trained ids and as its text."""
    named = {"dataset": row["dataset"], "row": row["row"], "held_out": row["held_out"]}
    start = row["turns"][0]["start"]
    ids = row["ids"][: start + labels]
    score = ServedScore(prompt=[], prefilled=0, same_prompt=False, error="")
    try:
        weights, own = _rounded(server.logprobs(ids, start)), server.raw_prompt(text, marked=False)
        named["marked"] = server.raw_prompt(text, marked=True) != own
        score["same_prompt"] = own[: len(ids)] == ids[: len(own)]
        if not score["same_prompt"]:
            score["error"] = "the server reads the document as other tokens"
        elif len(own) > len(ids):
            score["prompt"] = weights
        else:  # training ends a document with the end mark, which the text does not have
            score["prompt"] = _rounded(server.logprobs(own, start, text=text))
    except ValueError as error:
        return {**named, "error": str(error), "turns": []}
    return {**named, "error": "", "turns": [{"turn": 0, "weights": weights, **score}]}


def _request(
    turn: int, messages: Sequence[Message], thinking: object
) -> tuple[Sequence[Message], dict[str, object] | None]:
    """(the messages before a trained answer, the template options that belong to it), without tools."""
    answers = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    if turn >= len(answers):
        return [], None
    answer = messages[answers[turn]]
    return messages[: answers[turn]], template_options(answer, mixed=thinking is None)


def _served(
    server: TokenServer,
    ids: Sequence[int],
    start: int,
    request: tuple[Sequence[Message], dict[str, object] | None],
    tools: Sequence[Message],
) -> ServedScore:
    score = ServedScore(prompt=[], prefilled=0, same_prompt=False, error="")
    if not request[0]:
        score["error"] = "its conversation is not in conversations.jsonl"
        return score
    try:
        prompt = server.prompt(*request, tools=tools)
        prefilled = len(prompt) - start
        if prefilled < 0 or prompt != ids[: len(prompt)]:
            prefilled = 0
        whole = [*prompt, *ids[start + prefilled :]]
        scores = server.logprobs(whole, len(prompt)) if len(prompt) < len(whole) else []
        same = whole == list(ids)
        return ServedScore(prompt=_rounded(scores), prefilled=prefilled, same_prompt=same, error="")
    except ValueError as error:
        score["error"] = str(error)
        return score


def _rounded(scores: Sequence[float]) -> list[float]:
    return [round(score, 6) for score in scores]
