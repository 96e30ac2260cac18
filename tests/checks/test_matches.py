"""matches: a regular expression in the last answer; slow and broken ones are refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks import matches
from orchestrator.checks.matches import CHECK
from tests.checks.room import CASE, said, turn


@given(st.text(), st.text(min_size=1).filter(str.strip), st.text())
def test_an_escaped_text_is_found_where_it_is(before: str, text: str, after: str) -> None:
    pattern = re.escape(f"|{text}|")
    assert CHECK.judge(CASE, re.escape("|"), said(f"{before}|{text}|{after}")).passed
    assert CHECK.problem(pattern) is None


def test_found_and_not_found() -> None:
    assert CHECK.judge(CASE, r"^我是.{2,4}海螺", said("\n\n我是神奇海螺。")).reason == 'found "我是神奇海螺"'
    missed = CHECK.judge(CASE, r"^\d+$", said("九点"))
    assert not missed.passed
    assert missed.reason == r'expected /^\d+$/, got "九点"'
    assert not CHECK.judge(CASE, ".", said(turn("", reasoning="x"))).passed


@pytest.mark.parametrize("pattern", ["(a+)+$", r"(\w*)*x", "(?:a|b+)+", "(a{1,})*", "([a-z]+[0-9])*"])
def test_a_repeated_repetition_is_refused(pattern: str) -> None:
    assert "a repetition in a repetition" in (CHECK.problem(pattern) or "")


@pytest.mark.parametrize("pattern", [r"(\+)+", "([+*])+", "(ab)+", "(a+)?", "a+b+", r"\(a+\)+", "(a+){2}"])
def test_a_harmless_pattern_is_not(pattern: str) -> None:
    assert CHECK.problem(pattern) is None


@pytest.mark.parametrize("pattern", ["(", "[", "*", "a{99999999999}", "(?P<n>a)(?P<n>b)", "", 3, None])
def test_what_is_no_pattern_is_refused(pattern: object) -> None:
    assert CHECK.problem(pattern)


def test_a_very_long_answer_is_searched_at_its_beginning_only() -> None:
    assert not CHECK.judge(CASE, "end", said("x" * matches.SEARCHED + "end")).passed
