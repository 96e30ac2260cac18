"""Make one engine environment with uv, in a folder of another name, and give it its name when it is whole.

Covered: two at once (the second waits and finds it made), a kill at any moment (nothing lies under the final
name; the next attempt clears the rest away), what is missing before anything is downloaded. Not covered: a uv
cache that somebody deletes meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments import registry, uv
from orchestrator.execute.host import machine, signals
from orchestrator.execute.host.atomic_files import remove, sha256_file, sync_folder

# Measured with hard links into a warm uv cache impossible: what an environment takes, rounded up.
_ROOM_GB = {("train", "cpu"): 3.0, ("serve", "cpu"): 4.0, ("train", "cuda"): 9.0, ("serve", "cuda"): 13.0}
_BENCH_GB = 1.5
_MARK = ".partial-"

Progress = Callable[[str], None]


def make(name: str, hardware: str, folder: Path, progress: Progress) -> None:
    """Make the environment at `folder`, unless another process just did."""
    refuse(name, hardware, folder)
    uv.find()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder, progress):
        if registry.is_ready(folder):
            return
        clear_leftovers(folder)
        partial = folder.with_name(f"{folder.name}{_MARK}{os.getpid()}")
        kind = "" if hardware == registry.ANY else f" for {hardware}"
        progress(f"making the {name} environment{kind} at {folder}")
        try:
            _fill(name, hardware, partial, progress)
            remove(folder)
            partial.rename(folder)
            sync_folder(folder.parent)
        finally:
            _discard(partial)


def refuse(name: str, hardware: str, folder: Path) -> None:
    """Raise when the environment cannot work here, before a byte is downloaded.

    Raises:
        MissingError: a system library or disk space is missing.
    """
    problems = [
        Problem(f"the {name} environment needs the system library {library}", hint=hint)
        for library, hint in machine.missing_libraries(name, hardware).items()
    ]
    free, needed = machine.free_gb(folder.parent), _ROOM_GB.get((name, hardware), _BENCH_GB)
    if free < needed:
        what = f"the {name} environment takes about {needed:.1f} GB, {free:.1f} GB are free"
        problems.append(
            Problem(what, where=str(folder.parent), hint="free space, or set CONCH_HOME to another disk")
        )
    if problems:
        raise MissingError(*problems)


@contextmanager
def alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of one final name; says once when another process has it, and waits."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    told = False
    while True:
        signals.check()
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            if not told:
                progress(f"another process is making {folder.name}; waiting for it")
            told = True
    try:
        yield
    finally:
        lock.release()


def clear_leftovers(folder: Path) -> None:
    """Remove what killed attempts at this name left behind. A killed attempt's uv may still write; let it."""
    for left in folder.parent.glob(f"{folder.name}{_MARK}*"):
        _discard(left)


def _discard(folder: Path) -> None:
    with suppress(OSError):
        remove(folder)


def _fill(name: str, hardware: str, partial: Path, progress: Progress) -> None:
    remove(partial)
    uv.run(
        ["venv", "--relocatable", "--python", uv.own_python(), "--prompt", f"conch-{name}", str(partial)],
        folder=partial.parent,
        progress=progress,
        purpose=f"make an environment with Python {uv.PYTHON}",
    )
    install(registry.requirements(name, hardware), hardware, partial, progress)
    wheels = [_shim(shim, partial, progress) for shim in registry.shims(name, hardware)]
    if wheels:
        _add(wheels, partial, progress)
        remove(_wheelhouse(partial))


def install(requirements: Path, hardware: str, environment: Path, progress: Progress) -> None:
    """Make an environment hold exactly what a hashed requirement file says.

    Raises:
        MissingError: something cannot be had; for a CPU, with where its torch was looked for.
    """
    sources = uv.wheel_sources(hardware)
    try:
        uv.run(
            [
                *(
                    "pip",
                    "sync",
                    "--python",
                    str(environment / "bin" / "python"),
                    "--require-hashes",
                    *uv.no_build(hardware),
                ),
                *("--compile-bytecode", *_find_links(sources), str(requirements)),
            ],
            folder=environment,
            progress=progress,
            purpose=f"install {requirements.name}",
        )
    except MissingError as error:
        raise MissingError(
            *(Problem(problem.what, hint=_fix(sources)) for problem in error.problems)
        ) from None


def _fix(sources: Sequence[str]) -> str:
    """Where to look when packages do not come."""
    general = "let this machine reach a package index (UV_DEFAULT_INDEX names a mirror)"
    if not sources:
        return general
    if uv.PYTORCH_CPU in sources:
        torch = f"torch's CPU build was looked for at {uv.PYTORCH_CPU}"
        return (
            f"{general}; {torch}: if that is out of reach, set PIP_FIND_LINKS to a folder or page that has it"
        )
    return f"{general}; torch's CPU build was looked for in PIP_FIND_LINKS ({' '.join(sources)})"


def _find_links(sources: Sequence[str]) -> list[str]:
    return [word for source in sources for word in ("--find-links", source)]


def _wheelhouse(environment: Path) -> Path:
    return environment / "conch-shims"


def _shim(source: Path, environment: Path, progress: Progress) -> Path:
    """Build one local package into a wheel; uv has the builder inside, so nothing is downloaded."""
    house = _wheelhouse(environment) / source.name
    python = str(environment / "bin" / "python")
    uv.run(
        ["build", "--wheel", "--offline", "--python", python, "--out-dir", str(house), str(source)],
        folder=environment,
        progress=progress,
        purpose=f"build the local package {source.name}",
    )
    return next(house.glob("*.whl"))


def _add(wheels: Sequence[Path], environment: Path, progress: Progress) -> None:
    """Install the local packages in a step of their own: what dropped their namesakes does not reach it."""
    lines = [f"{_requirement(wheel)} --hash={sha256_file(wheel)}" for wheel in wheels]
    pins = _wheelhouse(environment) / "shims.txt"
    pins.write_text("\n".join(lines) + "\n", encoding="utf-8")
    uv.run(
        [
            *("pip", "install", "--python", str(environment / "bin" / "python"), "--offline", "--no-index"),
            *("--no-deps", "--require-hashes", "--compile-bytecode"),
            *_find_links([str(wheel.parent) for wheel in wheels]),
            *("--requirements", str(pins)),
        ],
        folder=environment,
        progress=progress,
        purpose="install the local packages",
    )


def _requirement(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version}"
