"""The ledger of a file: every row that would be lost is counted, the first ones shown with their lines."""

from __future__ import annotations

from typing import Any

from orchestrator.datasets.audit import Audit, Rules
from orchestrator.datasets.base import FileProblem, RowProblem
from orchestrator.datasets.formats import FORMATS, alpaca


def audited(*rows: dict[str, Any] | RowProblem, **given: str) -> Audit:
    audit = Audit("d.jsonl", FORMATS["alpaca"], given)
    for _ in audit.examples(enumerate(rows, start=1)):
        pass
    return audit


def row(question: str, answer: Any, **more: Any) -> dict[str, Any]:
    return {"instruction": question, "output": answer, **more}


def test_whole_rows_leave_no_problem() -> None:
    audit = audited(row("一", "二"), row("三", "四", history=[["一", "二"]]))
    assert (audit.rows, audit.kept, audit.turns) == (2, 2, 3)
    assert audit.problems() == []


def test_a_whole_row_comes_with_its_line() -> None:
    audit = Audit("d.jsonl", alpaca)
    found = [one[:2] for one in audit.examples([(1, row("一", None)), (7, row("一", "二"))])]
    assert found == [(7, [{"role": "user", "content": "一"}, {"role": "assistant", "content": "二"}])]


def test_every_lost_row_is_counted_and_the_first_of_a_kind_shown() -> None:
    """Case 23: nothing is dropped in silence."""
    audit = audited(row("好", "行"), *[row("问", None)] * 5, row("", "答"), RowProblem("not JSON", "坏"))
    problems = audit.problems()
    assert [problem.where for problem in problems] == [
        "d.jsonl:2",
        "d.jsonl:3",
        "d.jsonl:4",
        "d.jsonl:7",
        "d.jsonl:8",
        "d.jsonl",
    ]
    summary = "7 of 8 rows would be dropped or trained wrongly (null 5, empty user 1, not JSON 1)"
    assert problems[-1].what == summary
    assert audit.kept == 1


def test_no_rows_is_a_problem() -> None:
    assert audited().problems()[0].what.startswith("0 rows")


def test_duplicates_and_conflicts_are_told() -> None:
    """Case 26."""
    audit = audited(
        row("问", "答"), row("问", "答"), row("问", "别的"), row("问", "答", history=[["a", "b"]])
    )
    assert dict(audit.warnings.counts) == {"duplicate rows": 1, "one question, several answers": 1}
    assert audit.problems() == []


def test_keys_that_are_not_read_are_told() -> None:
    audit = audited(row("问", "答", id=1), row("再问", "答", id=2, input=""))
    assert dict(audit.unread) == {"id": 2}


def test_the_entry_s_columns_are_used() -> None:
    audit = audited({"q": "问", "output": "答"}, prompt="q")
    assert audit.problems() == []
    assert not audit.unread


def test_a_bad_row_can_be_left_out_but_not_the_rest_of_a_file() -> None:
    for problem, refused in ((RowProblem("not JSON", "…"), False), (FileProblem("not JSON", "…"), True)):
        audit = Audit("f", alpaca, rules=Rules(drop_bad=True))
        assert len(list(audit.examples([(1, row("一", "二")), (2, problem)]))) == 1
        assert bool(audit.problems()) == refused
