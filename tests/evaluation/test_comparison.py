"""Two models on the same questions: which answers are pairs, differences, and what got worse."""

from __future__ import annotations

from typing import Any

from orchestrator.evaluation.comparison import compared, differences, pairs_of
from orchestrator.evaluation.numbers import scored
from orchestrator.results import Verdict


def prediction(question: str, predict: str, label: str) -> Any:
    told: Any = {"dataset": "mine", "row": 1, "messages": [{"role": "user", "content": question}]}
    told |= {"prompt": question, "predict": predict, "label": label, "thinking": "", "label_thinking": ""}
    return scored(told)


def verdict(case: str, check: str, *, passed: bool) -> Verdict:
    return Verdict(case, check, passed, "问", "答", "想要")


def test_only_the_same_question_with_the_same_reference_is_a_pair() -> None:
    before = [prediction("甲", "x", "好"), prediction("乙", "x", "好"), prediction("丙", "x", "好")]
    after = [prediction("丙", "好", "好"), prediction("乙", "好", "坏"), prediction("丁", "好", "好")]
    assert [(a["prompt"], b["prompt"]) for a, b in pairs_of(before, after)] == [("丙", "丙")]


def test_a_difference_has_an_interval_of_pairs() -> None:
    pairs = [(prediction(str(at), "x", "好"), prediction(str(at), "好", "好")) for at in range(5)]
    found = differences(pairs)["exact_match"]
    assert found == {"a": 0.0, "b": 100.0, "difference": 100.0, "low": 100.0, "high": 100.0}
    assert differences([]) == {}


def test_what_got_worse_is_named_and_a_case_passes_with_all_its_checks() -> None:
    before = [verdict("general[0]", "any_of", passed=True), verdict("general[1]", "any_of", passed=False)]
    after = [
        verdict("general[0]", "any_of", passed=True),
        verdict("general[0]", "length", passed=False),
        verdict("general[1]", "any_of", passed=True),
        verdict("general[2]", "any_of", passed=False),
    ]
    told = compared("base", "tuned", [], {"general": (before, after)})
    assert told["worse"] == ["general[0]"]
    assert told["passed"]["general"] == {"a": [1, 2], "b": [1, 3]}
    assert [row["id"] for row in told["rows"]] == ["general[0]", "general[1]"]
