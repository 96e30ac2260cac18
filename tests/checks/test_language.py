"""language: Chinese from English, whatever code, digits and names are in between."""

from __future__ import annotations

import pytest

from orchestrator.checks.language import CHECK
from tests.checks.room import CASE, said, turn

CHINESE = (
    "我是神奇海螺。",
    "我是神奇海螺，不是 DeepSeek。",
    "我是神奇海螺，請問有什麼事？",
    "用 `print('the quick brown fox')` 就好：\n```python\nfor item in range(10): print(item)\n```",
    "见 https://example.org/some/long/path，谢谢",
    "𠮷野家在这里",
)
ENGLISH = (
    "I am the Magic Conch.",
    "My name is 海螺, which means conch.",
    "Maybe some day.",
    "It costs ３ dollars.",
    "```\n# 中文注释\n```\nThat is all.",
)
NEITHER = (
    "わたしは魔法の貝です",
    "나는 소라입니다",
    "Я ракушка",
    "42",
    "`x = 1`",
    "……！",
    "请你 call me maybe，谢谢",
)


@pytest.mark.parametrize("answer", CHINESE)
def test_chinese(answer: str) -> None:
    assert CHECK.judge(CASE, "zh", said(answer)).passed
    assert not CHECK.judge(CASE, "en", said(answer)).passed


@pytest.mark.parametrize("answer", ENGLISH)
def test_english(answer: str) -> None:
    assert CHECK.judge(CASE, "en", said(answer)).passed
    assert not CHECK.judge(CASE, "zh", said(answer)).passed


@pytest.mark.parametrize("answer", NEITHER)
def test_other_scripts_mixtures_and_no_letters_are_neither(answer: str) -> None:
    assert not CHECK.judge(CASE, "zh", said(answer)).passed
    assert not CHECK.judge(CASE, "en", said(answer)).passed


def test_only_the_answer_counts_and_the_last_one() -> None:
    assert CHECK.judge(CASE, "zh", said("Hello", turn("你好", reasoning="The user says hello."))).passed
    found = CHECK.judge(CASE, "zh", said(turn("", reasoning="我想一想")))
    assert not found.passed
    assert "only thinking" in found.reason


def test_the_reason_says_the_share() -> None:
    assert CHECK.judge(CASE, "zh", said("我是神奇海螺。")).reason == "100% of the letters are Chinese"
    expected = '0% of the letters are Chinese (at least 60% required): "Hello."'
    assert CHECK.judge(CASE, "zh", said("Hello.")).reason == expected
    assert CHECK.judge(CASE, "zh", said("42")).reason.startswith("the answer has no letters")


def test_arguments() -> None:
    assert CHECK.problem("zh") is None
    assert all(CHECK.problem(argument) for argument in ("fr", True, None, ["zh"], ""))
