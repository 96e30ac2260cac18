"""answer_served: the running server asked with the very ids of training; and where its own prompts part.

For each conversation that the merged model was asked (probes/answer_ids.py) its prompts are sent to
/v1/completions as they are, the merged model's earlier answers in them: what comes back is the doing of the
served weights alone. JSON lines as that probe writes them, with an `error` in each turn, and `parted`: a
sentence that says where the server's own prompt for the first question leaves training's; "" when nowhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.jsonl import lines_of
from orchestrator.execute.inference.logprobs import Scoring

AROUND = 6

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerServedSettings:
    """Settings of the task `answer_served`.

    Attributes:
        merged: the answers of probes/answer_ids.py. out: the file to write.
        systems: case → its system prompt.
        max_tokens: of an answer.
    """

    merged: str
    systems: Mapping[str, str]
    max_tokens: int
    out: str


def answer_served(settings: AnswerServedSettings, folder: Path) -> int:
    """The task: ask, and write the answers.

    Raises:
        MissingError: a file, or the service, is not there; it wants a key or knows no such way.
        StageFailed: the server died, or answers in no known shape. TimedOut: it answers no more.
    """
    rows = [row for row in lines_of(folder / settings.merged) if "case" in row]
    answered = []
    with Completing.of_environment() as server:
        for number, row in enumerate(rows, 1):
            turns = [_answer(server, turn, settings.max_tokens) for turn in row["turns"]]
            system = settings.systems.get(row["case"], "")
            parted = _parted(server, row["turns"][0], system)
            answered.append(
                {"case": row["case"], "purpose": row["purpose"], "turns": turns, "parted": parted}
            )
            sys.stderr.write(f"answered served_ids {number}/{len(rows)}\n")
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in answered)
    write_durable(folder / settings.out, text)
    return 0


class Completing(Scoring):
    """A vLLM server as a continuer of token ids."""

    def complete(self, ids: Sequence[int], max_tokens: int) -> Row:
        """{"ids", "text", "finish"} of the likeliest answer behind these ids.

        Raises:
            ValueError: the server refuses this prompt. ConchError: as answer_served.
        """
        body = {"prompt": list(ids), "max_tokens": max_tokens, "temperature": 0, "return_token_ids": True}
        answer = self._post(f"{self.base_url}/completions", body)
        try:
            (choice,) = answer["choices"]
            said = {"text": str(choice["text"]), "finish": str(choice["finish_reason"] or "")}
            return said | {"ids": [int(token) for token in choice.get("token_ids") or ()]}
        except (KeyError, TypeError, ValueError):
            what = "the server's /v1/completions answers in no known shape"
            raise StageFailed(Problem(what, self.base_url, "serve with the pinned vLLM")) from None

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of ids, "" where the server does not tell."""
        if not ids:
            return ""
        try:
            answer = self._post(self.base_url.removesuffix("/v1") + "/detokenize", {"tokens": list(ids)})
        except MissingError:
            return ""
        told = str(answer.get("prompt", "")) if isinstance(answer, dict) else ""
        return told.strip("\ufffd")  # half a character at either end


def _answer(server: Completing, turn: Mapping[str, Any], max_tokens: int) -> Row:
    asked: Row = {"question": turn["question"], "prompt": turn["prompt"], "error": ""}
    try:
        return asked | server.complete(turn["prompt"], max_tokens)
    except ValueError as error:
        return asked | {"ids": [], "text": "", "finish": "", "error": str(error)}


def _parted(server: Completing, turn: Mapping[str, Any], system: str) -> str:
    """The first id at which the server's own prompt is another."""
    messages = [{"role": "system", "content": system}] if system else []
    mine = list(turn["prompt"])
    try:
        served = server.prompt([*messages, {"role": "user", "content": turn["question"]}], None)
        at = first_difference(mine, served)
        if at is None:
            return ""
        sides = [(name, ids[max(0, at - AROUND) : at + AROUND]) for name, ids in _sides(mine, served)]
        shown = ", ".join(
            f"{name} {json.dumps(server.text_of(ids), ensure_ascii=False)}" for name, ids in sides
        )
    except ValueError as error:
        return f"the server refuses the messages: {error}"
    ids = [f"{name} {ids[at] if at < len(ids) else 'ends'}" for name, ids in _sides(mine, served)]
    return f"the prompts part at token {at}: {', '.join(ids)}; around it {shown}"


def _sides(mine: list[int], served: list[int]) -> tuple[tuple[str, list[int]], ...]:
    return (("training", mine), ("served", served))


def first_difference(mine: Sequence[int], served: Sequence[int]) -> int | None:
    """The first place at which two prompts differ; None when they are equal.

    >>> first_difference([1, 2, 3], [1, 2]), first_difference([1, 2], [1, 5]), first_difference([1], [1])
    (2, 1, None)
    """
    if list(mine) == list(served):
        return None
    same = (one == other for one, other in zip(mine, served, strict=False))
    return next((at for at, equal in enumerate(same) if not equal), min(len(mine), len(served)))
