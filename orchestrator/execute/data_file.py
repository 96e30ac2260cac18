"""A data file as a person brought it: its rows numbered, and hashed while they are read. Never written to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Self

from orchestrator.datasets import ADAPTERS, sniff
from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.rows import Numbered, is_array, json_array, json_lines
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.files import CHUNK


class DataFile:
    """An open data file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    @classmethod
    def open(cls, path: Path, shown: str) -> Self:
        """Open it; close it by `with`. `shown`: its name, as people know it.

        Raises:
            MissingError: it is not there, a folder, or empty.
        """
        if not path.is_file():
            what = "it is a folder, not a data file" if path.is_dir() else "no such data file"
            raise MissingError(Problem(what, shown, "name a file of rows: JSON lines, or one JSON array"))
        if not path.stat().st_size:
            raise MissingError(Problem("the file is empty", shown, "put rows into it"))
        return cls(path.open("rb"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def rows(self) -> Iterator[Numbered]:
        """The numbered rows, whichever way the file writes them."""
        array = is_array(self._file.read(CHUNK))
        self._file.seek(0)
        return json_array(self._hashed(self._chunks())) if array else json_lines(self._hashed(self._file))

    def sha256(self) -> str:
        """The hash of the whole file, also of what was not read."""
        for _ in self._hashed(self._chunks()):
            pass
        return "sha256:" + self._digest.hexdigest()

    def _chunks(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(CHUNK), b"")

    def _hashed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._digest.update(piece)
            yield piece


def choose_adapter(named: str, rows: Iterator[Numbered], shown: str) -> tuple[str, Iterator[Numbered]]:
    """The adapter's name, sniffed from the first whole row unless it was named; and all the rows.

    Raises:
        UsageError: no adapter has that name, or none knows the row's shape.
    """
    if named:
        if named not in ADAPTERS:
            raise UsageError(
                Problem(f'no adapter named "{named}"', shown, f"adapters: {', '.join(ADAPTERS)}")
            )
        return named, rows
    looked_at = []
    for numbered in rows:
        looked_at.append(numbered)
        if not isinstance(numbered[1], RowProblem):
            break
    row = next((row for _, row in looked_at if not isinstance(row, RowProblem)), None)
    found = "alpaca" if row is None else sniff(row)
    if found is None:
        shapes = "; ".join(f"{name}: {adapter.shape}" for name, adapter in ADAPTERS.items())
        keys = ", ".join(list(row or {})[:8]) or "none"
        what = f"no adapter knows this shape (keys: {keys})"
        mend = f"name `adapter:` and `columns:` in the data set's entry. Shapes: {shapes}"
        raise UsageError(Problem(what, f"{shown}:{looked_at[-1][0]}", mend))
    return found, chain(looked_at, rows)
