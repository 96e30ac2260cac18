"""equals: the last answer is the text, but for outer white space and Unicode's two spellings."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks.equals import CHECK
from tests.checks.room import CASE, said, turn

TEXTS = st.text(min_size=1).filter(str.strip)


@given(TEXTS)
def test_the_text_itself_passes(text: str) -> None:
    assert CHECK.judge(CASE, text, said(f"\n\n{unicodedata.normalize('NFD', text)} ")).passed


@given(TEXTS)
def test_anything_more_does_not(text: str) -> None:
    assert not CHECK.judge(CASE, text, said(text + "!")).passed


def test_a_miss_says_both() -> None:
    assert CHECK.judge(CASE, "好", said("不好")).reason == 'expected "好", got "不好"'
    assert not CHECK.judge(CASE, "好", said(turn("", reasoning="好"))).passed
    assert not CHECK.judge(CASE, "好", []).passed


def test_arguments() -> None:
    assert CHECK.problem("好") is None
    assert all(CHECK.problem(argument) for argument in ("", None, ["好"], 1))
