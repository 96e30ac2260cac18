"""forgets: a fresh conversation does not know what another was told."""

from __future__ import annotations

from orchestrator.checks.base import WITH_HISTORY, WITHOUT_HISTORY
from orchestrator.checks.forgets import CHECK
from tests.checks.room import CASE, FOLLOW_UP, alone, said, turn


def test_the_fresh_conversation_is_asked_last() -> None:
    assert [asked.purpose for asked in CHECK.prompts(FOLLOW_UP, "九点")] == [
        WITH_HISTORY,
        WITHOUT_HISTORY,
    ]


def test_another_answer_passes() -> None:
    found = CHECK.judge(FOLLOW_UP, "九点", [*said("海底", "九点"), alone("哪家店？")])
    assert found.passed
    assert found.answer == "哪家店？"


def test_a_leak_does_not() -> None:
    found = CHECK.judge(FOLLOW_UP, "九点", [*said("海底", "九点"), alone("九点开门")])
    assert found.reason == 'a fresh conversation knows "九点": "九点开门"'
    assert not CHECK.judge(
        FOLLOW_UP, "九点", [*said("海底", "九点"), alone(turn("嗯", reasoning="九点？"))]
    ).passed


def test_without_answers_nothing_is_shown() -> None:
    assert not CHECK.judge(CASE, "九点", [*said("好"), alone("好")]).passed
    assert not CHECK.judge(FOLLOW_UP, "九点", said("海底", "九点")).passed
    assert not CHECK.judge(FOLLOW_UP, "九点", [*said("海底", turn(error="died")), alone("好")]).passed
    assert not CHECK.judge(FOLLOW_UP, "九点", [*said("海底", "九点"), alone("")]).passed


def test_arguments() -> None:
    assert CHECK.problem("九点") is None
    assert all(CHECK.problem(argument) for argument in ("", None, ["九点"], True))
