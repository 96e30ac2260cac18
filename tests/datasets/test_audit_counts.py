"""All are counted, the first of a kind are kept."""

from __future__ import annotations

from typing import Any

from orchestrator.datasets.audit import SHOWN_OF_A_KIND, Counts


def test_counts_and_first_places() -> None:
    tally = Counts()
    for line in range(10):
        tally.add("空", "没有答案", f"d.jsonl:{line}", "写上")
    tally.add("长", "太长", "d.jsonl:3")
    assert tally.counts == {"空": 10, "长": 1}
    assert [problem.where for problem in tally.problems()] == [
        "d.jsonl:0",
        "d.jsonl:1",
        "d.jsonl:2",
        "d.jsonl:3",
    ]
    said: dict[str, Any] = tally.to_json()
    assert said["空"]["rows"] == 10
    assert len(said["空"]["first"]) == SHOWN_OF_A_KIND
