"""Rows copied into the project: whole, only what was looked through, nothing of it after a failure."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from pathlib import Path

import pytest

from orchestrator.errors import Interrupted, StageFailed, UsageError
from orchestrator.execute.data.importer import copy_into_project, is_same
from orchestrator.execute.host import signals

ROWS = '{"instruction": "你是谁", "output": "海螺"}\n'.encode() * 3
SHA256 = "sha256:" + hashlib.sha256(ROWS).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "海螺 rows.jsonl"
    path.write_bytes(ROWS)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "dataset_info/data/x.jsonl"


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")] if folder.exists() else []


def test_a_file_is_copied_and_stays_where_it_was(source: Path, target: Path) -> None:
    copy_into_project(source, target, SHA256)
    assert target.read_bytes() == source.read_bytes() == ROWS
    assert left(target.parent) == ["x.jsonl"]
    assert is_same(source, target)
    target.write_bytes(ROWS[:-1])
    assert not is_same(source, target)


def test_what_is_there_is_left_alone(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    copy_into_project(source, target, SHA256)
    assert target.read_bytes() == b"mine"


def test_a_file_that_changed_since_is_not_taken(source: Path, target: Path) -> None:
    source.write_bytes(ROWS + b"{}\n")
    with pytest.raises(UsageError, match="changed while it was read"):
        copy_into_project(source, target, SHA256)
    assert left(target.parent) == []


def test_a_signal_leaves_nothing(source: Path, target: Path) -> None:
    with signals.catch_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted):
            copy_into_project(source, target, SHA256)
    assert left(target.parent) == []


def test_a_folder_is_copied_whole(tmp_path: Path) -> None:
    folder, target = tmp_path / "saved", tmp_path / "data/saved"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(ROWS)
    (folder / "sub/b.jsonl").write_bytes(ROWS)
    target.parent.mkdir()
    (target.parent / ".saved.partial").mkdir()
    copy_into_project(folder, target, "sha256:of another way of counting")
    assert sorted(left(target.parent)) == ["a.jsonl", "b.jsonl", "saved", "sub"]
    assert is_same(folder, target)
    assert not is_same(folder, folder / "a.jsonl")


def test_a_full_disk_leaves_no_half_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, target = tmp_path / "saved", tmp_path / "data/saved"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(ROWS)
    target.parent.mkdir()

    def full(source: Path, to: Path) -> None:
        shutil.copyfile(source / "a.jsonl", to.parent / "half")
        (to.parent / "half").unlink()
        to.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    with pytest.raises(StageFailed, match="disk full"):
        copy_into_project(folder, target, "")
    assert left(target.parent) == []
