"""contains: a text, or every text of a list, in the last answer."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks.contains import CHECK
from tests.checks.room import CASE, FOLLOW_UP, said, turn

TEXTS = st.text(min_size=1).filter(str.strip)


@given(st.text(), TEXTS, st.text())
def test_what_is_in_the_answer_is_found_however_it_is_spelled(before: str, text: str, after: str) -> None:
    answer = unicodedata.normalize("NFD", before + "|" + text + "|" + after)
    assert CHECK.judge(CASE, f"|{text}|", said(answer)).passed


@given(st.text(alphabet="abc"))
def test_what_is_not_in_the_answer_is_not_found(answer: str) -> None:
    found = CHECK.judge(CASE, "神奇海螺", said(answer))
    assert not found.passed
    assert found.expected == "神奇海螺"


def test_a_miss_says_what_was_expected_and_what_came() -> None:
    found = CHECK.judge(CASE, "神奇海螺", said("我是助手。"))
    assert found.reason == 'expected "神奇海螺" in the answer, got "我是助手。"'
    assert (found.case, found.check, found.question, found.answer) == (
        "checks[0]",
        "contains",
        "请问你是谁",
        "我是助手。",
    )


def test_every_text_of_a_list_is_wanted() -> None:
    assert CHECK.judge(CASE, ["海螺", "食谱"], said("海螺说：看食谱")).passed
    missing = CHECK.judge(CASE, ["海螺", "食谱", "汉堡"], said("海螺"))
    assert not missing.passed
    assert '"食谱", "汉堡"' in missing.reason


def test_the_last_turn_counts() -> None:
    assert not CHECK.judge(FOLLOW_UP, "蟹堡王", said("在蟹堡王", "九点")).passed
    assert CHECK.judge(FOLLOW_UP, "九点", said("在蟹堡王", "九点")).passed


def test_thinking_is_not_an_answer() -> None:
    found = CHECK.judge(CASE, "神奇海螺", said(turn("", reasoning="我是神奇海螺")))
    assert not found.passed
    assert "only thinking" in found.reason
    assert found.answer == "[thinking] 我是神奇海螺"


def test_no_answer_says_why() -> None:
    assert CHECK.judge(CASE, "x", said(turn("", error="nothing listens"))).reason == "nothing listens"
    assert CHECK.judge(CASE, "x", []).reason == "it was not asked"


@pytest.mark.parametrize("argument", ["海螺", ["海螺", "食谱"]])
def test_good_arguments(argument: Any) -> None:
    assert CHECK.problem(argument) is None


@pytest.mark.parametrize("argument", ["", "  ", 3, None, True, [], ["a", 1], [""], {"a": "b"}])
def test_bad_arguments(argument: Any) -> None:
    assert CHECK.problem(argument)
