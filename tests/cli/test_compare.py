"""`conch compare` in a small world: base against tuned, run against run, and what is wrong."""
# Covers execute/evaluating/compare_models.py

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.cli import compare
from tests.fakes.openai_server import Said, openai_server
from tests.small_world import ROWS, SmallWorld


def test_base_against_tuned_and_nothing_is_asked_twice(trained: SmallWorld) -> None:
    verdict = Said('{"reason": "对", "winner": "1"}')
    with openai_server(lambda _: verdict) as judge:
        trained.write_recipe(("serve:", f"judge: {{base_url: {judge.url}, model: conch}}\nserve:"))
        said = trained.run("compare", "small", "--json")
    assert said.code == 0, said.err
    data = said.envelope["data"]
    assert (data["a"], data["b"], data["samples"]) == ("base", "tuned", len(ROWS))
    assert data["metrics"]["exact_match"]["difference"] > 50
    assert data["passed"]["general"]["b"][1] == 24
    assert json.loads((trained.last().path / "compare/compare.json").read_text(encoding="utf-8"))["rows"]
    assert data["judge"]["swayed"] > 0, "who likes the first place sees no difference"
    again = trained.run("compare", "small")
    assert again.code == 0
    assert f"the judge conch, {data['judge']['judged']} pairs: tuned better 0, base better 0" in again.out
    assert again.err.count("skipped") == 4
    assert "exact_match" in again.out
    assert "nothing got worse" in again.out


def test_a_run_against_a_run(trained: SmallWorld) -> None:
    first = trained.last().name
    said = trained.run("sft", "small", "--set", "train.seed=7")
    assert said.code == 0, said.err
    said = trained.run("compare", first, "small", "--json")
    assert said.code == 0, said.err + said.out
    data = said.envelope["data"]
    assert data["a"] == first
    assert data["b"] == trained.last().name != data["a"]
    assert data["metrics"]["exact_match"]["difference"] == 0


def test_three_runs_or_none_that_is_there_are_refused(small: SmallWorld) -> None:
    said = small.run("compare", "a", "b", "c")
    assert said.code == 2
    assert "more than two runs" in said.err
    said = small.run("compare", "small")
    assert said.code == 3
    assert "small has no finished export" in said.err


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (True, True, "nothing got worse"),
        (True, False, "got worse: checks[0]"),
        (False, False, "nothing could get worse: base passed no question that was judged"),
        (None, None, "nothing could get worse: base passed no question that was judged"),
    ],
)
def test_fault_155_nothing_gets_worse_where_nothing_was_good(
    *, before: bool | None, after: bool | None, says: str
) -> None:
    row = {"id": "checks[0]", "question": "问", "a": "甲", "b": "乙", "a_passed": before, "b_passed": after}
    worse = ["checks[0]"] if before and after is False else []
    empty: Any = {"metrics": {}, "samples": 0, "passed": {}}
    found = empty | {"a": "base", "b": "tuned", "rows": [row], "worse": worse}
    assert list(compare._shown(SimpleNamespace(result=found, split="test")))[-1] == says  # type: ignore[arg-type]
