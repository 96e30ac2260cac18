"""A person's own dataset_info.json on the disk: told from rows, linted with a look at the files it names."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.backends.dataset_columns import Listed
from orchestrator.backends.dataset_info import NAME, is_dataset_info, lint
from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.json_places import read_json
from orchestrator.errors import ConchError, MissingError, Problem, UsageError
from orchestrator.execute.data.data_file import DataFile

# A list of data sets is small; anything larger is rows.
SIZE_LIMIT = 4 << 20


def names_data_sets(path: Path) -> bool:
    """Whether a file is a dataset_info.json, by its name or by what it holds, and no file of rows."""
    if path.name == NAME:
        return True
    try:
        if path.suffix.lower() != ".json" or not path.is_file() or path.stat().st_size > SIZE_LIMIT:
            return False
        return is_dataset_info(read_json(path.read_text(encoding="utf-8"), str(path))[0])
    except (OSError, UnicodeDecodeError, UsageError):
        return False


def lint_file(path: Path, stage: str = "") -> list[Problem]:
    """Everything that is wrong with it, each with line and column; the files it names are looked into.

    Args:
        path: of the dataset_info.json; only read.
        stage: LLaMA-Factory's, for which the data sets are meant; "" when it is not known.

    Raises:
        MissingError: it is not there.
        UsageError: it is not JSON, or not UTF-8.
    """
    shown = str(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise MissingError(Problem(f"cannot be read: {error.strerror}", shown, "check the name")) from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise UsageError(Problem("not UTF-8 text", f"{shown}:{line}:{column}", "save it as UTF-8")) from None

    def look(file_name: str, /, *, count: bool) -> Listed | None:
        return _look(path.parent / file_name, count=count)

    return lint(text, shown, look, stage)


def _look(path: Path, *, count: bool) -> Listed | None:
    try:
        if path.is_dir():
            names = (f"{entry.name}/" if entry.is_dir() else entry.name for entry in os.scandir(path))
            return Listed(folder=True, entries=tuple(sorted(names)))
        if not path.is_file():
            return None
    except (OSError, ValueError):  # a name that no file can have
        return None
    try:
        with DataFile.open(path, str(path)) as source:
            rows = source.rows()
            first = next((row for _, row in rows if not isinstance(row, RowProblem)), None)
            # The first row, and those that are still to come; unreadable ones before it are no rows.
            return Listed(first=first, rows=sum(1 for _ in rows) + 1 if count and first is not None else None)
    except ConchError:
        return Listed()  # of a type that is said, or wrong in ways that `conch data audit` of it says
