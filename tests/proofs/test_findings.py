"""Every finding is counted, the first are kept, and no kind hides another."""

from __future__ import annotations

from orchestrator.proofs.findings import LISTED, Findings
from orchestrator.results import Sentence


def test_all_are_counted_and_the_first_are_kept() -> None:
    found = Findings()
    for row in range(10_000):
        found.add("cut", Sentence("cut"), f"海螺.jsonl:{row}")
    assert found.counts == {"cut": 10_000}
    assert [one["where"] for one in found.listed()] == [f"海螺.jsonl:{row}" for row in range(LISTED)]


def test_a_frequent_kind_does_not_hide_a_rare_one() -> None:
    found = Findings()
    for row in range(500):
        found.add("cut", Sentence("cut"), f"rows:{row}")
    found.add("thought", Sentence("opens with a thought"), "rows:7", "respell it", turn=1)
    listed = found.listed()
    assert len(listed) == LISTED
    assert listed[-1] == {
        "kind": "thought",
        "what": "opens with a thought",
        "where": "rows:7",
        "hint": "respell it",
        "turn": 1,
    }


def test_what_is_empty_is_left_out() -> None:
    found = Findings()
    found.add("file", Sentence("changed"))
    assert found.listed() == ({"kind": "file", "what": "changed"},)
    assert found.first("file") == ("changed", "", "")
