"""Rows of a person's own are copied into the project, whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Problem, UsageError
from orchestrator.execute.host.atomic_files import (
    CHUNK,
    remove,
    sha256_path,
    sync_folder,
    sync_tree,
    write_error,
)
from orchestrator.execute.host.output_file import OutputFile
from orchestrator.execute.host.signals import check


@dataclass(frozen=True, slots=True)
class Location:
    """Where rows lie: the path, its name as people know it, and the entry's `hub:` when a hub has them."""

    path: Path
    shown: str
    hub: str = ""


def is_same(source: Path, target: Path) -> bool:
    """Whether two files, or the files of two folders, hold the same bytes."""
    if source.is_dir() != target.is_dir():
        return False
    return source.samefile(target) or sha256_path(source) == sha256_path(target)


def bring(source: Path, target: Path, sha256: str) -> None:
    """Copy a file or a folder; nothing to do when the target is there, which is_same has then compared.

    `sha256` is what the file held when it was looked through; a folder is copied as it is now.

    Raises:
        UsageError: the file is not what it was. StageFailed: the disk is full. Interrupted: a signal came.
    """
    if target.exists():
        return
    try:
        if source.is_dir():
            _bring_folder(source, target)
            return
        with source.open("rb") as file, OutputFile.create(target) as output:
            digest = hashlib.sha256()
            while chunk := file.read(CHUNK):
                check()
                digest.update(chunk)
                output.write(chunk)
            if f"sha256:{digest.hexdigest()}" != sha256:
                what = "it was changed while it was read"
                raise UsageError(Problem(what, str(source), "type the same command again"))
            output.finish()
    except OSError as error:
        raise write_error(error, target) from None


def _bring_folder(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.partial")
    remove(temporary)
    try:
        shutil.copytree(source, temporary)
        check()
        sync_tree(temporary)
        temporary.rename(target)
        sync_folder(target.parent)
    finally:
        remove(temporary)
