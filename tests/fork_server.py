"""The process of forks.py: it has imported all of Conch and forks for each command line. Run as a script.

It reads lines that each name a file with the arguments of forks.start, and writes the pid of what it started.
That process is handed to whoever reaps orphans: the test session.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import resource
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def become(order: dict[str, Any]) -> None:
    """The child's side: what a shell sets up, then the function, which ends the process."""
    if order["group"]:
        os.setpgid(0, 0)
    os.chdir(order["cwd"])
    os.umask(order["umask"])
    os.environ.clear()
    os.environ.update(order["env"])
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (name, mode) in enumerate(zip(("stdin", "out", "err"), modes, strict=True)):
        handle = os.open(order[name], mode, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    if order["data"]:
        resource.setrlimit(resource.RLIMIT_DATA, (order["data"], order["data"]))
    sys.argv = ["conch", *order["argv"]]
    module, _, function = order["call"].partition(":")
    getattr(import_module(module), function)()


def serve() -> None:
    """Fork for every line."""
    while line := os.read(0, 4096):
        between = os.fork()
        if between:
            os.waitpid(between, 0)
        elif child := os.fork():
            os.write(1, b"%d\n" % child)
            os._exit(0)  # nothing is its parent: the child is handed over
        else:
            become(json.loads(Path(line.decode().strip()).read_bytes()))
            os._exit(70)  # it always exits by itself


if __name__ == "__main__":
    import orchestrator

    for found in pkgutil.walk_packages(orchestrator.__path__, "orchestrator."):
        if ".probes" not in found.name:  # scripts of the engines' environments
            import_module(found.name)
    gc.freeze()
    serve()
