"""A data file: numbered rows, the hash of all of it, and who reads its rows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.data.data_file import DataFile, choose_format

LINES = '{"input": "一", "target": "二"}\n\n{"input": "三", "target": "四"}\n'


@pytest.mark.parametrize(
    "text", [LINES, '[{"input": "一", "target": "二"},\n\n{"input": "三", "target": "四"}]']
)
def test_rows_have_the_lines_that_they_begin_on(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows"
    path.write_text(text, encoding="utf-8")
    with DataFile.open(path, "rows") as source:
        assert [number for number, _ in source.rows()] == [1, 3]


def test_the_hash_is_of_the_whole_file_also_of_what_was_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text(LINES, encoding="utf-8")
    with DataFile.open(path, "rows") as source:
        next(source.rows())
        assert source.sha256() == "sha256:" + hashlib.sha256(LINES.encode()).hexdigest()


def test_the_first_whole_row_decides_and_none_is_lost() -> None:
    rows: list[Numbered] = [
        (1, RowProblem("not JSON", "…")),
        (2, {"input": "一", "target": "二"}),
        (3, {"input": 3}),
    ]
    name, all_of_them = choose_format("", iter(rows), "rows")
    assert (name, list(all_of_them)) == ("firefly", rows)
    with pytest.raises(UsageError, match="no format matches this row"):
        choose_format("", iter([(1, {"嗯": "一"})]), "rows")


def test_what_is_no_file_of_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, what in (
        ("nowhere", "no such data file"),
        ("empty", "is empty"),
        ("/dev/null", "a regular file"),
    ):
        with pytest.raises(MissingError, match=what):
            DataFile.open(tmp_path / name, name)
