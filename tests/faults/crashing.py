"""`conch`, killed at its n-th write of a state.

    forks.start((N, HOW, *WORDS), call="tests.faults.crashing:main", …)

    before   it is killed before the write
    torn     half of it is written
    after    it is killed when the write is done

Tells the number of writes in the file CRASHED_AT, when it comes to its end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.cli.main import run
from orchestrator.execute.host import atomic_files
from orchestrator.execute.run_store import manifest, run_folder

_COUNT = [0]


def crashing(write: Callable[..., None], at: int, how: str) -> Callable[..., None]:
    """The write, at whose n-th call this process is killed."""

    def written(path: Path, content: Any, **given: Any) -> None:
        _COUNT[0] += 1
        if _COUNT[0] != at:
            write(path, content, **given)
            return
        if how == "after":
            write(path, content, **given)
        if how == "torn":
            data = content if isinstance(content, bytes) else content.encode()
            # What a killed append leaves, and a killed replacement: its temporary file.
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            place = path if write is atomic_files.append_durable else temporary
            with place.open("ab") as file:
                file.write(data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    return written


def main() -> None:
    """The command line of the module docstring, then the end of this process."""
    number, manner, *words = sys.argv[1:]
    for module in (run_folder, manifest):
        for name in ("append_durable", "write_durable"):
            setattr(module, name, crashing(getattr(atomic_files, name), int(number), manner))
    code = run(words)
    Path(os.environ["CRASHED_AT"]).write_text(str(_COUNT[0]), encoding="utf-8")
    sys.exit(code)
