"""Bases on the same rows: bits a character whatever the tokenizer, differences of pairs, and who is best."""

from __future__ import annotations

import math
from typing import Any

import pytest

from orchestrator.evaluation.bases import BaseQuestions, bits_apart, bits_of, compared_bases
from orchestrator.evaluation.numbers import numbers, scored
from orchestrator.results import Verdict

LABEL = "蟹堡王九点开门"


def prediction(at: int, predict: str, bits: float, tokens: int) -> Any:
    """One whose reference costs so many bits in all, in so many tokens."""
    told: Any = {"dataset": "mine", "row": at, "messages": [{"role": "user", "content": f"问{at}"}]}
    told |= {"prompt": f"问{at}", "predict": predict, "label": LABEL, "thinking": "", "label_thinking": ""}
    told |= {"tokens": 4, "seconds": 0.5, "finish_reason": "stop", "error": ""}
    return {**scored(told)} | {"nll": bits * math.log(2), "label_tokens": tokens}


def asked(name: str, predict: str, bits: list[float], tokens: int) -> BaseQuestions:
    rows = [prediction(at, predict, each, tokens) for at, each in enumerate(bits)]
    verdicts = [Verdict("general[0]", "any_of", name == "b", "问", "答")]
    facts: Any = {"template": "qwen"}
    return BaseQuestions(name, rows, numbers(rows, system="base", split="mine"), verdicts, facts)


def test_bits_a_character_do_not_see_the_tokenizer() -> None:
    fine, coarse = (asked("a", "好", [14.0, 28.0], tokens) for tokens in (14, 2))
    first, second = (one.numbers["perplexity"] for one in (fine, coarse))
    assert first is not None
    assert second is not None
    assert first["value"] != second["value"]
    assert bits_of(fine.rows) == bits_of(coarse.rows)
    found = bits_of(fine.rows)
    assert found is not None
    assert (found["value"], found["characters"]) == (3.0, 14)
    assert bits_of([]) is None


def test_the_best_is_told_with_whether_that_is_chance() -> None:
    worse = asked("a", "好", [28.0, 30.0, 26.0, 29.0], 3)
    better = asked("b", LABEL, [14.0, 15.0, 13.0, 14.0], 7)
    told = compared_bases([worse, better])
    best = told["best"]["bits_per_character"]
    assert (best["base"], best["against"], best["sure"]) == ("b", "a", True)
    assert best["difference"] == pytest.approx(28.25 / 7 - 2, abs=1e-3)
    assert told["best"]["chrf"]["base"] == "b"
    (apart,) = told["differences"]
    assert apart["bits_per_character"] is not None
    assert apart["bits_per_character"]["high"] < 0 < apart["metrics"]["chrf"]["low"]
    assert (apart["general"]["a"], apart["general"]["difference"]) == (0.0, 100.0)
    assert [one["general"] for one in told["bases"]] == [[0, 1], [1, 1]]
    assert told["bases"][0]["speed"] == {"seconds_an_answer": 0.5, "tokens_a_second": 8.0}
    assert told["rows"][0]["answers"] == ["好", LABEL]
    alike = compared_bases([worse, asked("c", "好", [30.0, 28.0, 29.0, 26.0], 3)])
    assert alike["best"]["bits_per_character"]["sure"] is False


def test_rows_that_one_did_not_score_are_in_no_difference() -> None:
    one, other = asked("a", "好", [14.0, 28.0], 2), asked("b", "好", [14.0, 28.0], 2)
    rows: Any = [other.rows[0], {**other.rows[1], "label_tokens": 0}]
    found = bits_apart(list(zip(one.rows, rows, strict=True)))
    assert found is not None
    assert (found["a"], found["b"], found["difference"]) == (2.0, 2.0, 0.0)
    assert bits_apart([]) is None
