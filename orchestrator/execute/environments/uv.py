"""uv: where it is, and running it with its progress shown and its failures said in one sentence."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host import signals

PROJECT = Path(__file__).resolve().parents[3]
PYTHON = "3.11"
PYTORCH_CPU = "https://download.pytorch.org/whl/cpu/torch/"
HEARTBEAT = 15.0
_QUIET = (" + ", " - ", " ~ ", "warning: Failed to hardlink")
_KEPT_LINES = 12
# What a calling environment must not decide: which packages are seen, and which environment is meant.
_DROPPED = (
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "UV_PROJECT_ENVIRONMENT",
    "UV_CONSTRAINT",
    "UV_OVERRIDE",
)

Progress = Callable[[str], None]


def find() -> str:
    """The path of uv: CONCH_UV, else beside Conch's own Python, else the project's .uv, else on PATH.

    Raises:
        MissingError: it is nowhere.
    """
    chosen = os.environ.get("CONCH_UV")
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise MissingError(
                Problem(f"CONCH_UV names {chosen}, which cannot be run", hint="unset CONCH_UV")
            )
        return chosen
    for place in (Path(sys.executable).parent / "uv", PROJECT / ".uv" / "bin" / "uv"):
        if os.access(place, os.X_OK):
            return str(place)
    found = shutil.which("uv")
    if found:
        return found
    raise MissingError(
        Problem("uv is not there; it makes the environments", hint="make setup, or: pip install uv")
    )


def own_python() -> str:
    """The Python that environments are made from: ours when it has the version the locks are for."""
    return sys.executable if sys.version.startswith(PYTHON + ".") else PYTHON


def wheel_sources(hardware: str) -> tuple[str, ...]:
    """Where the CPU build of torch is looked for: PIP_FIND_LINKS where set, else PyTorch's own page."""
    if hardware != "cpu":
        return ()
    given = os.environ.get("PIP_FIND_LINKS", "").split()
    return tuple(map(_from_anywhere, given)) or (PYTORCH_CPU,)


def no_build(hardware: str) -> tuple[str, ...]:
    """The option that refuses sources; not for the benchmark tools, of whose packages some have no wheel."""
    return () if hardware == "any" else ("--no-build",)


def _from_anywhere(source: str) -> str:
    """A folder by its whole path, since uv runs in another one; an address as it is."""
    return source if "://" in source else str(Path(source).expanduser().absolute())


def child_environment(source: Mapping[str, str]) -> dict[str, str]:
    """What uv sees: the user's environment (mirrors, proxies, keys), less what would change a result."""
    kept = {name: value for name, value in source.items() if name not in _DROPPED}
    index = source.get("PIP_INDEX_URL")
    if index and not any(name in source for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        kept["UV_DEFAULT_INDEX"] = index
    return kept


def run(arguments: Sequence[str], *, folder: Path, progress: Progress, purpose: str) -> None:
    """Run uv to its end; its lines go to progress.

    Args:
        arguments: after the program's name.
        folder: the working folder.
        progress: is told each line, and now and then that it still works.
        purpose: completes "uv could not …".

    Raises:
        MissingError: uv is not there, or it failed; carries the end of what it said.
        Interrupted: a signal came; uv was stopped.
    """
    said: list[str] = []
    with _started((find(), *arguments), folder) as process:
        for line in _lines(process):
            if not line:
                progress(f"still at it: to {purpose}")
                continue
            said.append(line)
            if not line.startswith(_QUIET):
                progress(f"uv: {line}")
        code = process.wait()
    if code:
        # The whole of it went to progress; an error message wants the end.
        end = "\n".join(f"    {line}" for line in said[-_KEPT_LINES:])
        raise MissingError(Problem(f"uv could not {purpose} (exit code {code})\n{end}"))


@contextmanager
def _started(argv: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """uv, running; whatever ends the block early ends uv, too."""
    process = subprocess.Popen(
        argv,
        cwd=folder,
        env=child_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The lines of a process as they come; "" after a silence, so that the one who waits is told."""
    if process.stdout is None:
        return
    heard, rest = time.monotonic(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            ready = selector.select(timeout=0.2)
            signals.check()
            if not ready:
                if time.monotonic() - heard > HEARTBEAT:
                    heard = time.monotonic()
                    yield ""
                continue
            block = os.read(process.stdout.fileno(), 1 << 16)
            if not block:
                break
            heard = time.monotonic()
            *whole, rest = (rest + block.replace(b"\r", b"\n")).split(b"\n")
            yield from (text for line in whole if (text := line.decode("utf-8", "replace").rstrip()))
    if rest.strip():
        yield rest.decode("utf-8", "replace").rstrip()
