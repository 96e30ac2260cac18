"""Questions that differ in a word are found, the same and others are not."""

from __future__ import annotations

import sys

import pytest

from orchestrator.datasets.near_duplicates import NearDuplicates, grams_of, normalised
from orchestrator.errors import MissingError

QUESTION = "我最近三个月经常头疼得厉害，晚上也睡不好觉，白天没有精神，请问应该去医院挂什么科室比较好"


def test_a_question_with_another_word_is_nearly_the_same() -> None:
    found = NearDuplicates()
    assert found.see(1, QUESTION) is None
    assert found.see(2, "孩子发烧三十九度要不要马上去医院看急诊，还是先吃退烧药观察") is None
    assert found.see(3, QUESTION + "呢") == 1
    assert found.found == 1


def test_the_same_question_spelled_otherwise_is_not_near_but_the_same() -> None:
    found = NearDuplicates()
    found.see(1, QUESTION)
    assert found.see(2, QUESTION.replace("，", " ")) is None
    assert found.see(3, "") is None
    assert found.found == 0


def test_the_most_alike_is_named() -> None:
    found = NearDuplicates()
    found.see(5, QUESTION)
    found.see(6, QUESTION + "？谢谢医生")
    assert found.see(7, QUESTION + "？谢谢医生了") == 6


def test_short_texts_are_their_own_gram() -> None:
    assert grams_of("头疼") == ["头疼"]
    assert grams_of("abcdef") == ["abcde", "bcdef"]
    assert normalised("ＡＢ c，\n头") == "abc头"


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(MissingError) as caught:
        NearDuplicates()
    assert "conch[near]" in caught.value.problems[0].hint
