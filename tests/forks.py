"""`conch` without its start: a process that has imported all of Conch forks for each command line.

    done = forks.start(("plan", "small"), cwd=project, env=env, out=out, err=err)
    assert done.wait(60) == 0

A fork is a process of its own, with its own handles, environment, signals and end. It saves half a second.
What it does not show is the start of the interpreter: a test of a locale or of PYTHON… must execute CONCH
(small_world.py).
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from pathlib import Path

from orchestrator.execute.processes import process_tree

_NUMBERS = count()

ROOT = Path(__file__).parents[1]


class Forked:
    """A started command line, as subprocess.Popen shows one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.usage: resource.struct_rusage | None = None
        self.waited = 0.0
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        if self.returncode is None and select.select([self._handle], [], [], 0)[0]:
            self._reap()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if self.returncode is None and not select.select([self._handle], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(["conch"], timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, signum: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _reap(self) -> None:
        # What it waited for a processor is the machine's load, not its own.
        self.waited = int(Path(f"/proc/{self.pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
        _, status, self.usage = os.wait4(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        os.close(self._handle)


def start(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    out: Path,
    err: Path,
    stdin: Path = Path(os.devnull),
    call: str = "orchestrator.cli.main:main",
    group: bool = False,
    data: int = 0,
) -> Forked:
    """Start `conch WORDS`, or another `call` (module:function) that ends its process with those words.

    The files `out` and `err` are written anew. With `group`, it leads a process group of its own. `data` is
    the most that it may allocate, so that one that explodes does not take the machine along.
    """
    process_tree.enable_subreaper()
    umask = os.umask(0)
    os.umask(umask)
    order: dict[str, object] = {"call": call, "argv": [*words], "cwd": str(cwd), "env": dict(env)}
    order |= {"stdin": str(stdin), "out": str(out), "err": str(err)}
    order |= {"umask": umask, "group": group, "data": data}
    for path in (out, err):
        path.write_bytes(b"")
    server, folder = _server()
    # Each its own: a fork may read its order only after the next one is given.
    written = folder / f"order-{next(_NUMBERS)}.json"
    written.write_text(json.dumps(order), encoding="utf-8")
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{written}\n".encode())
    server.stdin.flush()
    pid = int(server.stdout.readline())
    return Forked(pid)


def server_pid() -> int:
    """The pid of the forking process of this test session; 0 when there is none."""
    return _server()[0].pid if _server.cache_info().currsize else 0


@cache
def _server() -> tuple[subprocess.Popen[bytes], Path]:
    folder = tempfile.TemporaryDirectory(prefix="forks-")
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )

    def close() -> None:
        with server:
            assert server.stdin is not None
            server.stdin.close()
        folder.cleanup()

    atexit.register(close)
    return server, Path(folder.name)
