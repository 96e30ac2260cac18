"""Run a plan's command with a launcher: to its end, or in parallel with others; and read how it ended.

Two probes in two environments spend most of their time on imports, each on one core: in parallel they take as
long as the slower one.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import CheckFailed, Interrupted, Problem, error_for
from orchestrator.execute.host import signals
from orchestrator.execute.launchers import local
from orchestrator.execute.launchers.base import Launched, Launcher
from orchestrator.execute.launchers.network import exemption
from orchestrator.execute.processes.child_environment import Symbols, child_environment, resolve_argv
from orchestrator.execute.processes.diagnosis import explain_failure
from orchestrator.execute.processes.process import GRACE, TICK, StopEarly, bound_log
from orchestrator.plan.stage import Command


def run_command(
    command: Command,
    *,
    symbols: Symbols,
    cwd: Path,
    run_tag: str,
    log: Path,
    extra: Mapping[str, str] | None = None,
    on_tick: Callable[[float], None] | None = None,
    grace: float = GRACE,
    on_stop: Callable[[], None] = lambda: None,
    launcher: Launcher = local,
) -> int:
    """Run a command to its end, stop what it leaves running, and return its exit code, 128 + n for signal n.

    `on_tick` is called about twice a second with the seconds since the start. If it raises StopEarly, the
    command is asked to end and gets `grace` seconds; any other exception stops it at once.

    After SIGINT, SIGTERM or SIGHUP, `on_stop` is called, the command gets `grace` seconds to end, and
    Interrupted is raised. In all other cases it gets at most GRACE seconds.
    """
    env = child_environment(command, run_tag=run_tag, symbols=symbols, extra=extra)
    offline = not exemption(command)
    launched = launcher.start(resolve_argv(command, symbols), cwd=cwd, env=env, log=log, offline=offline)
    stop_seconds = min(grace, GRACE)  # a command that hangs or fails has nothing to save
    try:
        while (code := launched.wait(TICK)) is None:
            bound_log(log)
            if on_tick:
                on_tick(launched.seconds())
    except StopEarly:
        launched.stop(grace)
        code = launched.wait(0)
        return 128 + signal.SIGKILL if code is None else code
    except Interrupted:
        stop_seconds = grace
        on_stop()
        raise
    except KeyboardInterrupt as error:
        raise Interrupted(*signals.interrupted().problems, signum=signal.SIGINT) from error
    finally:
        launched.stop(stop_seconds)
    return code


@dataclass(frozen=True, slots=True)
class ParallelCommand:
    """A command that runs while others of its stage run; its output begins at byte `since` of its own log."""

    launched: Launched
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
        extra: Mapping[str, str] | None = None,
        launcher: Launcher = local,
    ) -> ParallelCommand:
        """Start it; MissingError when its program does not exist."""
        problems_file(log).unlink(missing_ok=True)
        since = log.stat().st_size if log.exists() else 0
        variables = {**(extra or {}), "CONCH_PROBLEMS": str(problems_file(log))}
        env = child_environment(command, run_tag=run_tag, symbols=symbols, extra=variables)
        offline = not exemption(command)
        argv = resolve_argv(command, symbols)
        return cls(launcher.start(argv, cwd=cwd, env=env, log=log, offline=offline), log, since)

    def finish(self, on_tick: Callable[[], None] = lambda: None) -> int:
        """Wait for its end; exit code and errors as in outcome()."""
        while (code := self.launched.wait(TICK)) is None:
            bound_log(self.log)
            on_tick()
        return outcome(code, self.log, self.since)

    def stop(self) -> None:
        """Stop it and everything that it started; safe to repeat."""
        self.launched.stop()


def problems_file(log: Path) -> Path:
    """Where a task or a probe writes its problems, beside its log."""
    return log.with_suffix(".problems.json")


def outcome(code: int, log: Path, since: int) -> int:
    """0, or 5 for a "no"; otherwise raise the error that the command reported or its log shows."""
    problems = _problems(problems_file(log))
    if code in (0, CheckFailed.exit_code) and not problems:
        return code
    if problems:
        raise error_for(code, *problems)
    raise error_for(0, explain_failure(log, code, since=since))


def _problems(path: Path) -> tuple[Problem, ...]:
    """The problems that a task or a probe reported; none when it was killed while writing them."""
    try:
        return tuple(Problem(**row) for row in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return ()
