"""Predictions as numbers: what counts, what an answer that did not come does, intervals."""

from __future__ import annotations

import math
from typing import Any

from orchestrator.evaluation.numbers import lengths, numbers, scored


def prediction(predict: str, label: str, **more: Any) -> Any:
    told: Any = {"predict": predict, "label": label, "thinking": "", "label_thinking": ""}
    told["tokens"] = len(predict)
    return scored(told | {"finish_reason": "stop", "error": "", "seconds": 0.5} | more)


def test_means_intervals_lengths_and_stops() -> None:
    rows = [
        prediction("我是神奇海螺。", "我是神奇海螺。"),
        prediction("我是谁", "我是神奇海螺。", finish_reason="length"),
    ]
    told = numbers(rows, system="tuned", split="test")
    exact = told["metrics"]["exact_match"]
    assert exact == {"mean": 50.0, "low": 0.0, "high": 100.0}
    assert told["with_thinking"] is None
    assert told["stops"] == {"stop": 1, "length": 1}
    assert told["length"]["longest"] == 7
    assert (told["samples"], told["answered"], told["seconds"]) == (2, 2, 1.0)


def test_an_answer_that_did_not_come_scores_nothing_and_is_told() -> None:
    rows = [prediction("好", "好"), prediction("", "好", error="HTTP 500", finish_reason="")]
    told = numbers(rows, system="tuned", split="test")
    assert told["metrics"]["exact_match"]["mean"] == 50.0
    assert told["answered"] == 1
    assert told["errors"] == {"HTTP 500": 1}
    assert told["length"]["mean"] == 1.0


def test_thinking_is_scored_apart_and_together() -> None:
    rows = [
        prediction("好", "好", thinking="甲乙丙", label_thinking="一二三"),
        prediction("好", "好"),
    ]
    told = numbers(rows, system="tuned", split="test")
    assert told["metrics"]["exact_match"]["mean"] == 100.0
    assert told["with_thinking"] is not None
    assert told["with_thinking"]["exact_match"]["mean"] == 50.0


def test_perplexity_is_of_tokens_not_of_rows() -> None:
    rows = [
        prediction("好", "好", nll=9.0, label_tokens=9),
        prediction("好", "好", nll=0.0, label_tokens=1),
        prediction("好", "好"),
    ]
    told = numbers(rows, system="base", split="test")["perplexity"]
    assert told is not None
    assert told["tokens"] == 10
    assert math.isclose(told["value"], math.exp(0.9), rel_tol=1e-4)
    assert told["low"] <= told["value"] <= told["high"]


def test_why_there_is_no_perplexity_is_told() -> None:
    told = numbers([prediction("好", "好")], system="base", split="test", missing="it is no vLLM")
    assert told["perplexity"] is None
    assert told["perplexity_missing"] == "it is no vLLM"


def test_of_nothing_there_are_zeros() -> None:
    told = numbers([], system="base", split="test")
    assert told["metrics"]["bleu-4"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert lengths([])["longest"] == 0
