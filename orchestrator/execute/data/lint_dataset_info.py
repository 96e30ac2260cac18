"""Checks a user's own dataset_info.json, including the files that it names."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.backends.dataset_columns import Listed, roles_of
from orchestrator.backends.dataset_info import NAME, is_dataset_info, lint
from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.json_places import read_json
from orchestrator.errors import ConchError, MissingError, Problem, UsageError
from orchestrator.execute.data.data_file import DataFile
from orchestrator.execute.host.atomic_files import open_regular

# A larger file is rows, not a list of datasets.
SIZE_LIMIT = 2 << 20


def names_data_sets(path: Path) -> bool:
    """Whether a file is a dataset_info.json, by its name or content, and not a file of rows."""
    if path.name == NAME:
        return True
    try:
        if path.suffix.lower() != ".json" or not path.is_file() or path.stat().st_size > SIZE_LIMIT:
            return False
        return is_dataset_info(read_json(path.read_text(encoding="utf-8"), str(path))[0])
    except (OSError, UnicodeDecodeError, UsageError):
        return False


def lint_file(path: Path, stage: str = "") -> list[Problem]:
    """All its mistakes and notes, with line and column; the files that it names are examined.

    Args:
        path: of the dataset_info.json; only read.
        stage: LLaMA-Factory's, for which the datasets are meant; "" if unknown.

    Raises:
        MissingError: the file is missing.
        UsageError: it is not JSON or not UTF-8.
    """
    shown = str(path)
    try:
        with open_regular(path) as file:
            raw = file.read(SIZE_LIMIT + 1)
        if len(raw) > SIZE_LIMIT:
            what = f"larger than {SIZE_LIMIT >> 20} MB: not a list of datasets"
            raise UsageError(Problem(what, shown, "rows belong into the files that it names"))
        text = raw.decode("utf-8")
    except OSError as error:
        raise MissingError(Problem(f"cannot read it: {error.strerror}", shown, "check the name")) from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise UsageError(Problem("not UTF-8 text", f"{shown}:{line}:{column}", "save it as UTF-8")) from None

    def look(file_name: str, /, *, count: bool, roles: tuple[str, str] | None) -> Listed | None:
        return _look(path.parent / file_name, count=count, places=roles)

    return lint(text, shown, look, stage)


def _look(path: Path, *, count: bool, places: tuple[str, str] | None) -> Listed | None:
    try:
        if path.is_dir():
            names = (f"{entry.name}/" if entry.is_dir() else entry.name for entry in os.scandir(path))
            return Listed(folder=True, entries=tuple(sorted(names)))
        if not path.is_file():
            return None
    except (OSError, ValueError):  # not a valid file name
        return None
    first, rows, roles = None, 0, dict[str, int]()
    try:
        with DataFile.open(path, str(path)) as source:
            for number, row in source.rows():
                if isinstance(row, RowProblem):
                    continue
                first = row if first is None else first
                rows += 1
                for role in roles_of(row, places) if places else ():
                    roles.setdefault(role, number)
                if not count and not places:
                    break
    except ConchError as error:
        return Listed(unread=error.problems[0].what)
    if first is None:
        return Listed(unread="no row of it can be read")
    return Listed(first=first, rows=rows if count else None, roles=roles if places else None)
