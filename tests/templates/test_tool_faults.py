"""Planted faults of tools are named, sound requests are not: rows of benchmarks/planted_parity.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.planted_parity import DECLARED, KEEP, TALKS, TOOL_FAULTS, own
from orchestrator.templates.compare import DifferenceKind, TrainedAnswer, TurnVerdict, Variant, compare_turn
from orchestrator.templates.pieces import Pieces
from orchestrator.templates.prompt_diff import Training
from tests.templates.test_tool_formats import compiled

# Covers templates/causes.py

[TALK] = TALKS["tools"]


def parsed(message: dict[str, Any]) -> dict[str, Any]:
    """With its arguments as objects, as vLLM gives them to a template."""
    calls = [
        {"function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
        for call in message.get("tool_calls", ())
    ]
    return {**message, "tool_calls": calls}


ANSWERS = [at for at, message in enumerate(TALK) if message["role"] == "assistant"]


def verdicts(served: str) -> list[TurnVerdict]:
    """Every answer of the talk, with one id for each character."""
    found = []
    for turn, at in enumerate(ANSWERS):
        texts = [
            compiled(text).render(
                messages=[parsed(message) for message in TALK[:at]],
                tools=DECLARED,
                bos_token="<｜begin▁of▁sentence｜>",
                eos_token="<｜end▁of▁sentence｜>",
                add_generation_prompt=True,
            )
            for text in (own(KEEP)(), served)
        ]
        pieces = Pieces({ord(char): char for char in "".join(texts)})
        ids = [[ord(char) for char in text] for text in texts]
        answer: TrainedAnswer = {"turn": turn, "context": ids[0], "labels": [ord("答")]}
        variant: Variant = {"names": ["thought"], "ids": ids[1], "lossy": False, "error": ""}
        how = Training("deepseekr1")
        found.append(compare_turn(("x", 1), answer, {"variants": [variant]}, how, (pieces, pieces)))
    return found


@pytest.mark.parametrize(("name", "edit", "words"), TOOL_FAULTS, ids=lambda value: str(value)[:30])
def test_a_planted_fault_is_named(name: str, edit: tuple[str, str], words: str) -> None:
    wrong = [one for one in verdicts(own(KEEP, edit)()) if one.verdict is not DifferenceKind.EQUAL]
    assert wrong, name
    assert words in wrong[0].explanation, wrong[0].explanation


def test_the_paired_template_is_no_fault() -> None:
    assert {one.verdict for one in verdicts(own(KEEP)())} == {DifferenceKind.EQUAL}
