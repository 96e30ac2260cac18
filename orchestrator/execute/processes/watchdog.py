"""A watchdog process: after `kill -9` of the orchestrator it stops the training or server that is left.

It reads one end of a pipe. A message means success. The end of the pipe without a message means that the
orchestrator died, and the watchdog stops everything with its run tag. It has no run tag itself and costs one
idle Python without site-packages. If the watchdog is killed as well, the next run of the recipe cleans up
(stop.sweep_leftovers).
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
    """Inside the block, the death of this process by any means stops everything with its run tag."""
    watchdog = subprocess.Popen(
        [sys.executable, "-S", "-m", __name__, run_tag, str(grace)],
        cwd="/",
        env={"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process_tree.reserved.add(watchdog.pid)
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            watchdog.communicate(_DONE)
        watchdog.wait()
        process_tree.reserved.discard(watchdog.pid)


def watch(run_tag: str, grace: float) -> None:
    """Wait for the message or the end of standard input."""
    if os.read(0, len(_DONE)) != _DONE:
        process_tree.stop_tagged(run_tag, grace=grace)


if __name__ == "__main__":
    watch(sys.argv[1], float(sys.argv[2]))
