"""A table's first line is its columns' names, or a reason why it is not; every cell is text."""

from __future__ import annotations

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.execute.data.readers.base import header_of, row_of


def test_names_are_trimmed_and_said_and_a_nameless_column_has_a_number() -> None:
    notes: list[str] = []
    assert header_of([" 问题 ", "答案", ""], notes) == ["问题", "答案", "column 3"]
    assert notes == ['trimmed column names: " 问题 "']


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["感冒了怎么办？", "多喝水"], "no header"),
        (["1", "2.5"], "no header"),
        (["问" * 41, "答案"], "no header"),
        (["问题", "两\n行"], "no header"),
        (["问题", " 问题"], "header"),
    ],
)
def test_a_line_of_data_is_no_header(cells: list[str], kind: str) -> None:
    with pytest.raises(RowProblem) as raised:
        header_of(cells, [])
    assert raised.value.kind == kind


def test_a_row_has_as_many_cells_as_there_are_names() -> None:
    assert row_of(["a", "b"], ["NA", "007"]) == {"a": "NA", "b": "007"}
    for cells in (["一"], ["一", "二", "三"]):
        row = row_of(["a", "b"], cells)
        assert isinstance(row, RowProblem)
        assert row.kind == "ragged row"
