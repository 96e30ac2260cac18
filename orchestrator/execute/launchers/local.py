"""local: the command is a child of this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.execute.processes import process


def start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, with_input: bool = False
) -> process.Process:
    """Start an argv in a session of its own (Launcher.start)."""
    return process.start(argv, cwd=cwd, env=env, log=log, with_input=with_input)
