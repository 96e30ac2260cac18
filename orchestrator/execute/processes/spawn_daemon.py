"""Start a supervisor that outlives the terminal, and report the outcome of its start.

The request is a file that only the user can read, until the supervisor has read it. The outcome comes back
through a named pipe. With the user's systemd, the supervisor is a transient unit, which survives logout and
whose control group ends with it; otherwise it has a session of its own. A unit gets systemd's environment, so
this module, run there, takes the command's from another such file and becomes the supervisor.

    python -m orchestrator.execute.processes.spawn_daemon FOLDER     environment.json in
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ConchError, Problem, StageFailed, error_for
from orchestrator.execute.host import signals
from orchestrator.execute.host.atomic_files import write_durable

_ROOT = Path(__file__).parents[3]
_POLL = 0.1
_ENVIRONMENT = "environment.json"


@dataclass(frozen=True, slots=True)
class Started:
    """A supervisor that is ready: its pid (0 under systemd), its systemd unit ("" for none), its message."""

    pid: int
    unit: str
    message: Mapping[str, object]


def request_of(
    verb: str,
    recipe: str,
    *,
    sets: Sequence[str] = (),
    hardware: str = "auto",
    accept_mismatch: bool = False,
    **more: object,
) -> dict[str, object]:
    """What a supervisor is asked to do (execute/daemon.py)."""
    named = {"recipe": recipe, "sets": list(sets), "hardware": hardware}
    return {"verb": verb, **named, "accept_mismatch": accept_mismatch, **more}


def detach(request: Mapping[str, object], *, project: Path) -> Started:
    """Start a supervisor (daemon.py) and wait until it is ready; raise the error that its work raised."""
    folder = Path(tempfile.mkdtemp(prefix="conch-start-"))
    try:
        write_durable(folder / "request.json", json.dumps(dict(request)), mode=0o600)
        pipe = folder / "outcome"
        os.mkfifo(pipe, 0o600)
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return _wait(_spawn(folder, project, str(request["verb"])), reading, folder)
        finally:
            os.close(reading)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unit_command(name: str, argv: Sequence[str], *, project: Path) -> tuple[str, ...]:
    """The systemd-run that starts an argv as a transient unit of the user's. Pure.

    >>> unit_command("conch-1", ["python", "x"], project=Path("/p"))[:5]
    ('systemd-run', '--user', '--quiet', '--collect', '--unit=conch-1')
    """
    return (
        *("systemd-run", "--user", "--quiet", "--collect", f"--unit={name}"),
        *("--property=KillMode=control-group", "--property=TimeoutStopSec=90"),
        *(f"--working-directory={project}", f"--setenv=PYTHONPATH={_ROOT}"),
        *("--", *argv),
    )


def _spawn(folder: Path, project: Path, verb: str) -> tuple[subprocess.Popen[bytes] | None, str]:
    argv = _daemon(folder)
    env = {**os.environ, "PYTHONPATH": str(_ROOT)}
    if has_systemd():
        unit = f"conch-{verb}-{folder.name.rpartition('-')[2]}"
        write_durable(folder / _ENVIRONMENT, json.dumps(env), mode=0o600)
        becoming = [sys.executable, "-m", __name__, str(folder)]
        done = subprocess.run(unit_command(unit, becoming, project=project), capture_output=True, check=False)
        if done.returncode == 0:
            return None, unit
        (folder / _ENVIRONMENT).unlink()
    with (folder / "output").open("wb") as output:
        child = subprocess.Popen(
            argv,
            cwd=project,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return child, ""


def _daemon(folder: Path) -> list[str]:
    return [sys.executable, "-m", "orchestrator.execute.daemon", str(folder)]


def become_daemon(folder: Path) -> None:
    """Replace this process by the supervisor, in the environment that a file gives; the file is removed."""
    path = folder / _ENVIRONMENT
    env = json.loads(path.read_bytes())
    path.unlink()
    os.execve(sys.executable, _daemon(folder), env)  # noqa: S606  no shell


def has_systemd() -> bool:
    """Whether the user's own systemd is available."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return bool(runtime) and Path(runtime, "systemd").is_dir() and shutil.which("systemd-run") is not None


def _wait(started: tuple[subprocess.Popen[bytes] | None, str], reading: int, folder: Path) -> Started:
    child, unit = started
    text = b""
    with signals.catch_signals():
        while b"\n" not in text:
            try:
                signals.check()
            except ConchError:
                _give_up(child, unit)
                raise
            with suppress(BlockingIOError):
                text += os.read(reading, 1 << 16)
            if b"\n" not in text and not _lives(child, unit):
                with suppress(BlockingIOError):
                    text += os.read(reading, 1 << 16)
                break
            time.sleep(_POLL)
    if b"\n" not in text:
        raise _vanished(folder)
    outcome = json.loads(text.partition(b"\n")[0])
    if "failed" in outcome:
        problems = [Problem(**each) for each in outcome["problems"]]
        raise error_for(outcome["failed"], *problems)
    if child is None:
        return Started(0, unit, outcome["ready"])
    # A caller that lives on must not keep a dead supervisor as a zombie.
    threading.Thread(target=child.wait, daemon=True).start()
    return Started(child.pid, unit, outcome["ready"])


def _lives(child: subprocess.Popen[bytes] | None, unit: str) -> bool:
    if child is not None:
        return child.poll() is None
    return subprocess.run(["systemctl", "--user", "--quiet", "is-active", unit], check=False).returncode == 0


def _give_up(child: subprocess.Popen[bytes] | None, unit: str) -> None:
    if child is not None:
        child.terminate()
    else:
        subprocess.run(["systemctl", "--user", "stop", unit], check=False)


def _vanished(folder: Path) -> ConchError:
    try:
        output = (folder / "output").read_text(encoding="utf-8", errors="backslashreplace").strip()
    except OSError:
        output = ""
    what = "the background process ended without a message" + (f": {output[-400:]}" if output else "")
    return StageFailed(Problem(what, hint="run the command without --detach to see what happens"))


if __name__ == "__main__":
    become_daemon(Path(sys.argv[1]))
