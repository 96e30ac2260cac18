"""Work that outlives the terminal: a supervisor is started, and the true outcome of its start is told.

The request lies in a file that only the user reads until the supervisor has read it; what came of the start
comes back through a named pipe. Where the user's systemd answers, the supervisor is a transient unit of it,
which no logout ends and whose whole control group ends with it; elsewhere it has a session of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import ConchError, Problem, StageFailed, error_for
from orchestrator.execute.host import signals

_ROOT = Path(__file__).parents[3]
_POLL = 0.1
# What a unit is given of our environment, by name: a value on a command line could be read by all.
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Started:
    """A supervisor that got to work.

    Attributes:
        pid: its process; 0 where systemd started it and does not say.
        unit: its systemd unit, "" for none.
        told: what it said when it was ready.
    """

    pid: int
    unit: str
    told: Mapping[str, Any]


def detach(request: Mapping[str, Any], *, project: Path) -> Started:
    """Start a supervisor and wait until it says that it is ready, or why it is not.

    Args:
        request: what it is to do (supervise.py).
        project: the folder that holds recipes/; its working folder.

    Raises:
        ConchError: the start failed; of the kind and with the words that it would have had here.
    """
    folder = Path(tempfile.mkdtemp(prefix="conch-start-"))
    try:
        (folder / "request.json").touch(mode=0o600)
        (folder / "request.json").write_text(json.dumps(dict(request)), encoding="utf-8")
        pipe = folder / "told"
        os.mkfifo(pipe, 0o600)
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return _wait(_spawn(folder, project, str(request["verb"])), reading, folder)
        finally:
            os.close(reading)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unit_command(name: str, argv: Sequence[str], *, project: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The systemd-run that starts an argv as a transient unit of the user's. Pure.

    >>> unit_command("conch-1", ["python", "x"], project=Path("/p"), names=["PATH"])[:5]
    ('systemd-run', '--user', '--quiet', '--collect', '--unit=conch-1')
    """
    return (
        *("systemd-run", "--user", "--quiet", "--collect", f"--unit={name}"),
        *("--property=KillMode=control-group", "--property=TimeoutStopSec=90"),
        f"--working-directory={project}",
        *(f"--setenv={one}" for one in names),
        *("--", *argv),
    )


def _spawn(folder: Path, project: Path, verb: str) -> tuple[subprocess.Popen[bytes] | None, str]:
    argv = [sys.executable, "-m", "orchestrator.execute.daemon", str(folder)]
    env = {**os.environ, "PYTHONPATH": str(_ROOT)}
    if has_systemd():
        unit = f"conch-{verb}-{folder.name.rpartition('-')[2]}"
        names = [name for name in env if name in _PASSED or name.startswith(("CONCH_", "XDG_", "PYTHONPATH"))]
        command = unit_command(unit, argv, project=project, names=sorted(names))
        done = subprocess.run(command, env=env, capture_output=True, check=False)
        if done.returncode == 0:
            return None, unit
    with (folder / "said").open("wb") as said:
        child = subprocess.Popen(
            argv,
            cwd=project,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    return child, ""


def has_systemd() -> bool:
    """Whether the user's own systemd is there to ask."""
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
    told = json.loads(text.partition(b"\n")[0])
    if "failed" in told:
        problems = [Problem(**each) for each in told["problems"]]
        raise error_for(told["failed"], *problems)
    return Started(child.pid if child else 0, unit, told["ready"])


def _lives(child: subprocess.Popen[bytes] | None, unit: str) -> bool:
    if child is not None:
        return child.poll() is None
    asked = subprocess.run(["systemctl", "--user", "--quiet", "is-active", unit], check=False)
    return asked.returncode == 0


def _give_up(child: subprocess.Popen[bytes] | None, unit: str) -> None:
    if child is not None:
        child.terminate()
    else:
        subprocess.run(["systemctl", "--user", "stop", unit], check=False)


def _vanished(folder: Path) -> ConchError:
    try:
        said = (folder / "said").read_text(encoding="utf-8", errors="backslashreplace").strip()
    except OSError:
        said = ""
    what = "the supervisor ended before it said anything" + (f": {said[-400:]}" if said else "")
    return StageFailed(Problem(what, hint="leave --detach out to see what happens"))
