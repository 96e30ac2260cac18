"""A stage's commands that run beside one another, and how a command of a stage ended.

Two probes in two environments spend most of their time on imports, each on one core: side by side they take
as long as the slower one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import CheckFailed, Problem, error_for
from orchestrator.execute.processes import process
from orchestrator.execute.processes.child_environment import Symbols
from orchestrator.plan.stage import Command


@dataclass(frozen=True, slots=True)
class Beside:
    """A command that was started and goes on while others of its stage run.

    Attributes:
        log: its own, beside the stage's.
        since: byte of the log at which its output begins.
    """

    running: process.Process
    log: Path
    since: int

    @classmethod
    def start(
        cls,
        command: Command,
        *,
        symbols: Symbols,
        cwd: Path,
        run_tag: str,
        log: Path,
        extra: Mapping[str, str],
    ) -> Beside:
        """Start it; MissingError when its program is not there."""
        told_at(log).unlink(missing_ok=True)
        since = log.stat().st_size if log.exists() else 0
        own = {**extra, "CONCH_PROBLEMS": str(told_at(log))}
        env = process.child_environment(command, run_tag=run_tag, symbols=symbols, extra=own)
        argv = process.resolve_argv(command, symbols)
        return cls(process.start(argv, cwd=cwd, env=env, log=log), log, since)

    def finish(self, on_tick: Callable[[], None]) -> int:
        """Wait for its end; the code and the errors are those of outcome().

        Raises:
            Interrupted: a signal came; whoever started it stops it.
        """
        while (code := self.running.wait(process.TICK)) is None:
            process.bound_log(self.log)
            on_tick()
        return outcome(code, self.log, self.since)

    def stop(self) -> None:
        """End it and everything below it; safe to repeat."""
        self.running.stop()


def told_at(log: Path) -> Path:
    """Where a task or a probe tells what is wrong, beside its log."""
    return log.with_suffix(".problems.json")


def outcome(code: int, log: Path, since: int) -> int:
    """0, or 5 for a "no"; else the error that the command told, or that its log shows.

    Raises:
        ConchError: of the kind that the code stands for, StageFailed for any other.
    """
    problems = _told(told_at(log))
    if code in (0, CheckFailed.exit_code) and not problems:
        return code
    if problems:
        raise error_for(code, *problems)
    raise error_for(0, process.explain_failure(log, code, since=since))


def _told(path: Path) -> tuple[Problem, ...]:
    """What a task or a probe left to say; nothing when it was killed while it wrote that."""
    try:
        return tuple(Problem(**row) for row in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return ()
