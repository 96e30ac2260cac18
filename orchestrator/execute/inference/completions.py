"""The task `answer_served`: the server continues the ids of training; and where its own prompts differ.

For each conversation that the merged model was asked (probes/answer_ids.py), the prompts are sent to
/v1/completions unchanged, with the merged model's earlier answers in them, so only the served weights
affect the result. It writes JSON lines as that probe does, with an `error` in each turn, and `parted`: a
sentence that says where the server's own prompt for the first question differs from training's; "" if
nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.jsonl import lines_of
from orchestrator.execute.host.tell import tell
from orchestrator.execute.inference.token_server import TokenServer

AROUND = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerServedSettings:
    """Settings of the task `answer_served`: `merged` holds the answers of probes/answer_ids.py."""

    merged: str
    systems: Mapping[str, str]
    max_tokens: int
    out: str


class PromptedTurn(TypedDict):
    """What this task reads of a turn of probes/answer_ids.py."""

    question: str
    prompt: list[int]


def answer_served(settings: AnswerServedSettings, folder: Path) -> int:
    """Ask, and write the answers."""
    rows = [row for row in lines_of(folder / settings.merged) if "case" in row]
    answered = []
    with TokenServer.of_environment() as server:
        for number, row in enumerate(rows, 1):
            turns = [_answer(server, turn, settings.max_tokens) for turn in row["turns"]]
            parted = _difference(server, row["turns"][0], settings.systems.get(row["case"], ""))
            answered.append(
                {"case": row["case"], "purpose": row["purpose"], "turns": turns, "parted": parted}
            )
            tell(f"answered served_ids {number}/{len(rows)}")
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in answered)
    write_durable(folder / settings.out, text)
    return 0


def _answer(server: TokenServer, turn: PromptedTurn, max_tokens: int) -> dict[str, object]:
    request = {"question": turn["question"], "prompt": turn["prompt"]}
    try:
        return {**request, "error": "", **server.complete(turn["prompt"], max_tokens)._asdict()}
    except ValueError as error:
        return {**request, "error": str(error), "ids": [], "text": "", "finish": ""}


def _difference(server: TokenServer, turn: PromptedTurn, system: str) -> str:
    """The first id at which the server's own prompt differs, as a sentence."""
    messages = [{"role": "system", "content": system}] if system else []
    trained = list(turn["prompt"])
    try:
        served = server.prompt([*messages, {"role": "user", "content": turn["question"]}], None)
        at = first_difference(trained, served)
        if at is None:
            return ""
        sides = {"training": trained, "served": served}
        texts = {name: server.text_of(ids[max(0, at - AROUND) : at + AROUND]) for name, ids in sides.items()}
    except ValueError as error:
        return f"the server refuses the messages: {error}"
    ids = ", ".join(f"{name} {ids[at] if at < len(ids) else 'ends'}" for name, ids in sides.items())
    around = ", ".join(f"{name} {json.dumps(text, ensure_ascii=False)}" for name, text in texts.items())
    return f"the prompts differ from token {at} on: {ids}; around it {around}"


def first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    """The first position at which two prompts differ; None if they are equal.

    >>> first_difference([1, 2, 3], [1, 2]), first_difference([1, 2], [1, 5]), first_difference([1], [1])
    (2, 1, None)
    """
    if list(one) == list(other):
        return None
    equal = (a == b for a, b in zip(one, other, strict=False))
    return next((at for at, same in enumerate(equal) if not same), min(len(one), len(other)))
