"""Fingerprints: whether a stage's cached result is still valid."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from orchestrator import __version__
from orchestrator.execute.host.atomic_files import sha256_file
from orchestrator.plan.plan import digest_of
from orchestrator.plan.stage import Runtime, Stage


def fingerprint(path: Path) -> str:
    """`sha256:…` of a file or a folder's tree; "" if it is missing or contains a dangling link.

    A link counts as its target's path, not content: a base model is hashed once, when it is fetched, and its
    manifest (inputs/base.json) has the hashes.
    """
    if path.is_symlink():
        return f"link:{path.readlink()}" if path.exists() else ""
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        return ""
    digest = hashlib.sha256()
    for name in sorted(_names(path)):
        found = fingerprint(path / name)
        if not found:
            return ""
        digest.update(f"{len(name.encode())} {name}\n{found}\n".encode())
    return "sha256:" + digest.hexdigest()


def _names(folder: Path) -> list[str]:
    names: list[str] = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        links = [one for one in folders if (here / one).is_symlink()]
        names += [(here / one).relative_to(folder).as_posix() for one in [*files, *links]]
    return names


def stage_key(stage: Stage, inputs: Mapping[str, str], lockfiles: Mapping[str, str]) -> str:
    """The cache key of a stage: its definition, its inputs' content, its environments and Conch's version.

    Time limits are not part of it: waiting longer changes no result.
    """
    value = asdict(stage)
    commands = [*stage.commands, *((stage.service.command,) if stage.service else ())]
    for limit in ("grace", "stall_timeout"):
        value.pop(limit)
    if value["service"]:
        for limit in ("ready_timeout", "stall_timeout", "warm_during", "warm"):
            value["service"].pop(limit)
    places = {command.runtime for command in commands} - {Runtime.CONCH}
    used = {place.value: lockfiles.get(place.value, "") for place in places}
    return digest_of({"stage": value, "inputs": dict(inputs), "lockfiles": used, "conch": __version__})
