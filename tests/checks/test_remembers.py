"""remembers: right with history, different without."""

from __future__ import annotations

import pytest

from orchestrator.checks.base import WITH_HISTORY, WITHOUT_HISTORY, Case
from orchestrator.checks.remembers import CHECK
from orchestrator.results import Transcript
from tests.checks.room import CASE, FOLLOW_UP, alone, said, turn


def test_it_asks_the_conversation_and_its_last_question_alone() -> None:
    case = Case("checks[0]", ("在哪？", "几点？"), system="简短")
    whole, last = CHECK.prompts(case, "九点")
    assert (whole.purpose, whole.turns, whole.system) == (WITH_HISTORY, ("在哪？", "几点？"), "简短")
    assert (last.purpose, last.turns, last.system) == (WITHOUT_HISTORY, ("几点？",), "简短")


def test_remembered() -> None:
    found = CHECK.judge(FOLLOW_UP, "九点", [*said("在海底", "九点开门"), alone("谁？")])
    assert found.passed
    assert '"谁？"' in found.reason


@pytest.mark.parametrize(
    ("transcripts", "why"),
    [
        ([*said("在海底", "不知道"), alone("谁？")], 'expected "九点" with history, got "不知道"'),
        ([*said("在海底", "九点"), alone("\n九点 ")], "the answer is the same without history"),
        ([*said("在海底", "九点"), alone(turn(error="nothing listens"))], "without history: nothing listens"),
        (said("在海底", "九点"), "without history: it was not asked"),
        ([alone("九点")], "it was not asked"),
        ([*said("在海底", turn(error="x")), alone("九点")], "x"),
        ([*said("在海底", turn(reasoning="九点")), alone("谁")], "only thinking"),
    ],
)
def test_not_remembered(transcripts: list[Transcript], why: str) -> None:
    found = CHECK.judge(FOLLOW_UP, "九点", transcripts)
    assert not found.passed
    assert why in found.reason


def test_a_single_question_has_nothing_to_remember() -> None:
    assert "only one question" in CHECK.judge(CASE, "x", [*said("x"), alone("y")]).reason


def test_arguments() -> None:
    assert CHECK.problem("九点") is None
    assert CHECK.problem(True)
