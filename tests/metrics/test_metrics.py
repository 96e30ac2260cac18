"""The metrics against known numbers, and the intervals against what they promise."""
# Covers metrics/

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.metrics import METRICS
from orchestrator.metrics.interval import bootstrap, wilson
from orchestrator.metrics.rouge import words_of

TEXTS = st.text(alphabet="我是神奇海螺，。 abc\n", max_size=30)


def test_every_line_of_the_board_names_its_metric() -> None:
    assert list(METRICS) == ["bleu-4", "rouge-1", "rouge-2", "rouge-l", "chrf", "exact_match"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        # By LLaMA-Factory's formulas (a real do_predict: tests/e2e/test_predict.py), chrF by sacrebleu's.
        ("bleu-4", 20.5046),
        ("rouge-1", 66.6667),
        ("rouge-2", 30.7692),
        ("rouge-l", 66.6667),
        ("chrf", 20.717),
        ("exact_match", 0),
    ],
)
def test_known_numbers(name: str, wanted: float) -> None:
    found = METRICS[name].score("我是海螺，很高兴认识你", "我是神奇海螺。很高兴")
    assert found == pytest.approx(wanted, abs=5e-5)


def test_chrf_is_sacrebleus() -> None:
    assert METRICS["chrf"].score("The cat", "the cat sat on the mat") == pytest.approx(18.804737505088763)
    assert METRICS["chrf"].score("ab", "abc") == pytest.approx(63.636363636363626)


@pytest.mark.parametrize("name", METRICS)
def test_blank_texts_are_no_match(name: str) -> None:
    assert METRICS[name].score("", "我") == 0
    assert METRICS[name].score("我", " ") == 0


@given(TEXTS, TEXTS)
@settings(max_examples=50, deadline=None)
def test_a_score_is_a_percentage(predict: str, label: str) -> None:
    for metric in METRICS.values():
        assert 0 <= metric.score(predict, label) <= 100.0001


def test_words_need_no_file_that_others_may_write() -> None:
    assert words_of("神奇海螺") == ("神奇", "海螺")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
@settings(max_examples=20, deadline=None)
def test_the_bootstrap_is_the_same_every_time(values: list[float]) -> None:
    low, high = bootstrap(values)
    assert (low, high) == bootstrap(values)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


@given(st.integers(0, 50), st.integers(0, 50))
def test_wilson_holds_the_rate(good: int, bad: int) -> None:
    low, high = wilson(good, good + bad)
    assert 0 <= low <= high <= 1
    if good + bad:
        assert low <= good / (good + bad) + 1e-9
        assert high >= good / (good + bad) - 1e-9
