"""A process that has imported the command line and forks for every case: a start would cost a second each.

It is a script: it reads lines that each name a file of {"argv", "cwd", "env", "stdin", "out", "err"}, of
which the last three are paths of files, and writes one line with how the command ended and what it cost. A
fork is a whole `conch`: its own handles, environment, session and exit; only the imports are done.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import resource
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

KILL_AFTER = 30  # seconds; the judgement is the runner's
MACHINE = 3 << 30  # bytes: a case that explodes must not take the machine with it


def become_conch(order: dict[str, Any]) -> None:
    """The child's side: what a shell sets up, then the console script."""
    from orchestrator.cli import main

    os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (name, mode) in enumerate(zip(("stdin", "out", "err"), modes, strict=True)):
        handle = os.open(order[name], mode, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    resource.setrlimit(resource.RLIMIT_DATA, (MACHINE, MACHINE))
    sys.argv = ["conch", *order["argv"]]
    main.main()


def watch(pid: int) -> dict[str, Any]:
    """Wait for the command; what it cost, and whether it left any process behind."""
    started = time.monotonic()
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
    signal.alarm(KILL_AFTER)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    signal.alarm(0)
    seconds = time.monotonic() - started
    # What it waited for a processor is the machine's load, not its own.
    waited = int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    _, status, usage = os.wait4(pid, 0)
    try:
        os.killpg(pid, signal.SIGKILL)
        left = True
    except ProcessLookupError:
        left = False
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds - waited,
        "cpu": usage.ru_utime + usage.ru_stime,
        "megabytes": usage.ru_maxrss / 1024,
        "left": left,
    }


if __name__ == "__main__":
    import orchestrator

    for module in pkgutil.walk_packages(orchestrator.__path__, "orchestrator."):
        if ".probes" not in module.name:  # scripts of the engines' environments
            import_module(module.name)
    gc.freeze()
    # Buffered reading would hand a child's exit the rest of our orders.
    while line := os.read(0, 4096):
        if (child := os.fork()) == 0:
            become_conch(json.loads(Path(line.decode().strip()).read_bytes()))
            os._exit(70)  # main() always exits
        os.write(1, json.dumps(watch(child)).encode() + b"\n")
