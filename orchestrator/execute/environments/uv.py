"""uv: find it, and run it with progress and a short error message."""

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
_ERROR_LINES = 12
# Variables that would change which packages are visible, or which environment is meant.
_DROPPED = (
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"),
    *("UV_PROJECT_ENVIRONMENT", "UV_CONSTRAINT", "UV_OVERRIDE"),
)

Progress = Callable[[str], None]


def find() -> str:
    """The path of uv: CONCH_UV, or beside Conch's own Python, or in the project's .uv, or on PATH."""
    chosen = os.environ.get("CONCH_UV")
    if chosen:
        if not os.access(chosen, os.X_OK):
            what = f"CONCH_UV names {chosen}, which is not executable"
            raise MissingError(Problem(what, hint="unset CONCH_UV"))
        return chosen
    for path in (Path(sys.executable).parent / "uv", PROJECT / ".uv" / "bin" / "uv"):
        if os.access(path, os.X_OK):
            return str(path)
    found = shutil.which("uv")
    if found:
        return found
    hint = "make setup, or: pip install uv"
    raise MissingError(Problem("uv is not installed; it builds the environments", hint=hint))


def own_python() -> str:
    """The Python to build environments from: Conch's own if it has the version of the lockfiles."""
    return sys.executable if sys.version.startswith(PYTHON + ".") else PYTHON


def wheel_sources(hardware: str) -> tuple[str, ...]:
    """Where the CPU build of torch comes from: PIP_FIND_LINKS if set, otherwise PyTorch's own page."""
    if hardware != "cpu":
        return ()
    given = os.environ.get("PIP_FIND_LINKS", "").split()
    # Folders as absolute paths, because uv runs in another one.
    return tuple(
        one if "://" in one else str(Path(one).expanduser().absolute()) for one in given
    ) or (PYTORCH_CPU,)


def no_build(hardware: str) -> tuple[str, ...]:
    """The option that forbids source builds; not for the benchmark tools: some packages have no wheel."""
    return () if hardware == "any" else ("--no-build",)


def child_environment(source: Mapping[str, str]) -> dict[str, str]:
    """The environment of uv: the user's (mirrors, proxies, keys) without variables that change a result."""
    passed = {name: value for name, value in source.items() if name not in _DROPPED}
    index = source.get("PIP_INDEX_URL")
    if index and not any(name in source for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        passed["UV_DEFAULT_INDEX"] = index
    return passed


def run(arguments: Sequence[str], *, folder: Path, progress: Progress, purpose: str) -> None:
    """Run uv to its end; each line goes to progress, and so does a message after a long silence.

    `purpose` completes "uv could not …" in the MissingError of a failure, which includes the end of the
    output.
    """
    output: list[str] = []
    began, quiet_until = time.monotonic(), 0.0
    with _started((find(), *arguments), folder) as process:
        for line in _lines(process):
            if not line:
                elapsed = time.monotonic() - began
                if elapsed >= quiet_until:  # twice as long each time
                    progress(f"still running after {elapsed:.1f} s: {purpose}")
                    quiet_until = 2 * elapsed
                continue
            output.append(line)
            if not line.startswith(_QUIET):
                progress(f"uv: {line}")
        code = process.wait()
    if code:
        end = "\n".join(f"    {line}" for line in output[-_ERROR_LINES:])
        raise MissingError(Problem(f"uv could not {purpose} (exit code {code})\n{end}"))


@contextmanager
def _started(argv: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """uv, running; leaving the block early stops it."""
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
    """The lines of a process as they come; "" after HEARTBEAT seconds of silence."""
    if process.stdout is None:
        return
    last, rest = time.monotonic(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            ready = selector.select(timeout=0.2)
            signals.check()
            if not ready:
                if time.monotonic() - last > HEARTBEAT:
                    last = time.monotonic()
                    yield ""
                continue
            block = os.read(process.stdout.fileno(), 1 << 16)
            if not block:
                break
            last = time.monotonic()
            *complete, rest = (rest + block.replace(b"\r", b"\n")).split(b"\n")
            yield from (text for line in complete if (text := line.decode("utf-8", "replace").rstrip()))
    if rest.strip():
        yield rest.decode("utf-8", "replace").rstrip()
