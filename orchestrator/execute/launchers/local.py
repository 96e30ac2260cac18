"""local: the command is a child of this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.execute.processes import process


def start(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    with_input: bool = False,
    offline: bool = False,
) -> process.Process:
    """Start an argv in a session of its own (Launcher.start)."""
    # Only here: a plan that is printed names a launcher and starts nothing (benchmarks/cold_start.py).
    from orchestrator.execute.processes import process
    from orchestrator.execute.processes.confinement import confined

    words = confined(argv) if offline else argv
    return process.start(words, cwd=cwd, env=env, log=log, with_input=with_input)
