"""A file is there whole, or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

import pytest

from orchestrator.errors import BusyError, MissingError, StageFailed, UsageError
from orchestrator.execute.host.output_file import OutputFile


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_appears_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "new" / "海.jsonl"
    with OutputFile.create(path) as output:
        output.write("第一".encode())
        assert not path.exists()
        output.write(b"\n" * (3 << 20))
        digest = output.finish()
    assert names(path.parent) == ["海.jsonl"]
    assert digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_exception_leaves_nothing_and_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old", encoding="utf-8")
    pieces = iter([b"new"])
    next(pieces)
    with pytest.raises(StopIteration), OutputFile.create(path, force=True) as output:
        output.write(next(pieces))
    assert names(tmp_path) == ["out"]
    assert path.read_text(encoding="utf-8") == "old"


def test_what_a_kill_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".out.partial").write_bytes(b"half of something longer")
    with OutputFile.create(tmp_path / "out") as output:
        output.write(b"whole")
        output.finish()
    assert (tmp_path / "out").read_bytes() == b"whole"
    assert names(tmp_path) == ["out"]


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(UsageError, match="--force"):
        OutputFile.create(tmp_path / "out")
    with pytest.raises(UsageError, match="is a folder"):
        OutputFile.create(tmp_path, force=True)


def test_two_do_not_write_one_file(tmp_path: Path) -> None:
    with OutputFile.create(tmp_path / "out") as first:
        with pytest.raises(BusyError):
            OutputFile.create(tmp_path / "out")
        first.write(b"1")
        first.finish()
    assert (tmp_path / "out").read_bytes() == b"1"


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingError, match="cannot write"):
        OutputFile.create(tmp_path / "file" / "out")


def test_a_full_disk_is_said() -> None:
    """/dev/full is a disk without room."""
    output = OutputFile(Path("/dev/full"))
    output._raw.descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(StageFailed, match="disk full"):
        output._buffer.write(b"x" * (2 << 20))
    output._raw.end()


@pytest.mark.parametrize("force", [True, False])
def test_fault_123_a_second_writer_never_empties_what_the_first_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, force: bool
) -> None:
    """The second has opened the partial file when the first renames it, and gets its lock afterwards."""
    path = tmp_path / "out"
    first = OutputFile.create(path)
    first.write(b"published")
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        first.finish()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    if not force:
        with pytest.raises(UsageError, match="already exists"):
            OutputFile.create(path)
    else:
        with OutputFile.create(path, force=True) as second:
            assert path.read_bytes() == b"published"
            second.write(b"2")
            second.finish()
    assert path.read_bytes() == (b"2" if force else b"published")
    assert names(tmp_path) == ["out"]


def test_a_partial_file_that_was_removed_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = OutputFile.create(tmp_path / "out")
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        first.__exit__(None, None, None)  # it gives up
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with OutputFile.create(tmp_path / "out") as second:
        second.write(b"2")
        second.finish()
    assert (tmp_path / "out").read_bytes() == b"2"


def test_a_partial_file_that_is_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".out.partial")
    with pytest.raises(MissingError, match="cannot write"):
        OutputFile.create(tmp_path / "out")
