"""A watcher that outlives a killed orchestrator: `kill -9` must not leave a training or a server running.

It holds one end of a pipe. A word through it means that all went well; its end without a word means that
the orchestrator is gone, and everything that carries its run tag is stopped. It carries no run tag itself,
costs one idle Python without site-packages, and cannot help when it is killed too: the next run of the
same recipe sweeps then (stop.sweep_leftovers).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.execute.processes import process_tree

_DONE = b"done"
_ROOT = Path(__file__).parents[3]


@contextmanager
def guarded(run_tag: str, *, grace: float = 10.0) -> Iterator[None]:
    """While inside, the death of this process by any means stops everything with its run tag."""
    watcher = subprocess.Popen(
        [sys.executable, "-S", "-m", __name__, run_tag, str(grace)],
        cwd="/",
        env={"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process_tree.reserved.add(watcher.pid)
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            watcher.communicate(_DONE)
        watcher.wait()
        process_tree.reserved.discard(watcher.pid)


def watch(run_tag: str, grace: float) -> None:
    """Wait for the word or the end of standard input."""
    if os.read(0, len(_DONE)) != _DONE:
        process_tree.stop_tagged(run_tag, grace=grace)


if __name__ == "__main__":
    watch(sys.argv[1], float(sys.argv[2]))
