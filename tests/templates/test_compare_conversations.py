"""A conversation is as bad as the worst of its trained answers, for the history that was given."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.templates.compare import judge_conversation
from orchestrator.templates.pieces import Pieces
from orchestrator.templates.prompt_diff import Training

LETTERS = Pieces({number: chr(number) for number in range(128)} | {500: "ab", 501: "Ċ"})


def ids(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def answer(turn: int, context: str, labels: str, served: str | list[int], **others: str) -> Any:
    """What was trained and what was served; others: spelling → served."""
    variants = [{"names": ["thought"], "lossy": False, "ids": served, "error": ""}]
    variants += [{"names": [name], "lossy": True, "ids": text, "error": ""} for name, text in others.items()]
    for one in variants:
        one["ids"] = ids(one["ids"]) if isinstance(one["ids"], str) else one["ids"]
    trained = {"turn": turn, "cut": False, "context": ids(context), "labels": ids(labels)}
    return trained, {"turn": turn, "variants": variants}


EQUAL, PREFILL = answer(0, "ab", "cd", "ab"), answer(1, "ab", "cd", "abc")
MISSING, FORCED = answer(2, "ab", "cd", "a"), answer(3, "ab", "cd", "abx")
DIFFERS, UNREACHABLE = answer(4, "ab", "cd", "xb"), answer(5, "ab", "cd", [500])


def judge(*answers: Any) -> Any:
    return judge_conversation(answers, Training(), (LETTERS, LETTERS))


@pytest.mark.parametrize(
    ("answers", "verdict", "turn", "fails"),
    [
        ((EQUAL,), "equal", 0, False),
        ((EQUAL, PREFILL), "prefill", 1, False),
        ((MISSING, PREFILL, EQUAL), "missing", 2, True),
        ((MISSING, FORCED), "forced", 3, True),
        ((FORCED, DIFFERS, EQUAL), "differs", 4, True),
        ((UNREACHABLE, EQUAL), "differs", 5, False),
        ((UNREACHABLE, DIFFERS), "differs", 4, True),
        ((UNREACHABLE, FORCED), "differs", 5, True),
    ],
)
def test_the_worst_answer_decides(answers: Any, verdict: str, turn: int, fails: bool) -> None:  # noqa: FBT001
    found = judge(*answers)
    assert (found.verdict.value, found.worst["verdict"], found.worst["turn"]) == (verdict, verdict, turn)
    assert found.fails is fails
    assert found.unreachable is (UNREACHABLE in answers)
    assert found.worst["unreachable"] is (turn == 5)
    assert bool(found.worst["explanation"]) is (verdict != "equal")


def test_both_sides_are_shown_around_the_place() -> None:
    context = "x" * 40 + "a"
    told = judge(answer(0, context, "cd", "x" * 40 + "bz")).worst
    assert (told["position"], told["training_id"], told["served_id"]) == (40, ord("a"), ord("b"))
    assert told["training_ids"][told["position"] - told["ids_from"]] == ord("a")
    assert told["served_ids"][told["position"] - told["ids_from"]] == ord("b")
    assert told["training_text"] == "x" * 12 + "⟦a⟧cd"
    assert told["served_text"] == "x" * 12 + "⟦b⟧z"
    assert judge(EQUAL).worst["training_text"] == "ab⟦c⟧d"


def test_other_spellings_are_counted_and_decide_nothing() -> None:
    found = judge(
        answer(0, "ab", "cd", "ab", answer="x", newlines="abc"), answer(1, "ab", "cd", "ab", answer="ab")
    )
    assert found.verdict.value == "equal"
    assert not found.fails
    assert found.spellings == {"answer": {"differs": 1, "equal": 1}, "newlines": {"prefill": 1}}
