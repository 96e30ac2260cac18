"""What checks share: how texts are compared and shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks.base import Case, answer_of, normal, question_of, quoted, why_unanswered
from orchestrator.results import Turn


@given(st.text())
def test_normal_is_the_same_for_both_spellings_and_outer_space(text: str) -> None:
    assert normal(unicodedata.normalize("NFD", text)) == normal(f" \n{text}\t") == normal(normal(text))


@given(st.text(), st.integers(1, 200))
def test_a_quotation_is_never_much_longer_than_told(text: str, limit: int) -> None:
    assert len(quoted(text, limit)) <= limit + 3


@pytest.mark.parametrize(
    ("turn", "why"),
    [
        (None, "it was not asked"),
        (Turn((), error="nothing listens"), "nothing listens"),
        (Turn((), content=""), "the answer is empty"),
        (Turn((), content="好"), ""),
    ],
)
def test_why_there_is_no_answer(turn: Turn | None, why: str) -> None:
    assert why_unanswered(turn) == why


def test_thinking_without_an_answer_is_shown_and_said() -> None:
    turn = Turn((), content="", reasoning="我想想")
    assert '"我想想"' in why_unanswered(turn)
    assert "reasoning parser" in why_unanswered(turn)
    assert answer_of(turn) == "[thinking] 我想想"


def test_a_conversation_is_shown_on_one_line() -> None:
    assert question_of(Case("checks[0]", ("你好", "几点？"))) == "你好 → 几点？"
