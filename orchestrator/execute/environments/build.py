"""Build an environment with uv in a temporary folder, and rename the folder when it is complete.

Covered: two builds at once (the second waits and finds it built), a kill at any moment (the final name does not
exist; the next build removes the rest), and missing requirements before any download. Not covered: a uv cache
that is deleted meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments import registry, uv
from orchestrator.execute.host import machine
from orchestrator.execute.host.atomic_files import remove, sha256_file, sync_folder
from orchestrator.execute.host.file_lock import queued

# What an environment takes on disk without hard links into the uv cache, rounded up.
_ROOM_GB = {
    **{("train", "cpu"): 3.0, ("serve", "cpu"): 4.0, ("train", "cuda"): 9.0, ("serve", "cuda"): 13.0},
    **{("ppo", "cpu"): 3.0, ("ppo", "cuda"): 9.0},
}
_BENCH_GB = 1.5
_MARK = ".partial-"

Progress = Callable[[str], None]


def sync(name: str, hardware: str, progress: Progress) -> Path:
    """The folder of an environment, built now if needed; of two processes one builds and one waits."""
    folder = registry.environment_folder(name, hardware)
    if registry.is_ready(folder):
        return folder
    check_requirements(name, hardware, folder)
    uv.find()
    with lock_folder(folder, progress):
        if registry.is_ready(folder):
            return folder
        clear_leftovers(folder)
        partial = folder.with_name(f"{folder.name}{_MARK}{os.getpid()}")
        kind = "" if hardware == registry.ANY else f" for {hardware}"
        progress(f"building the {name} environment{kind} at {folder}")
        try:
            _fill(name, hardware, partial, progress)
            remove(folder)
            partial.rename(folder)
            sync_folder(folder.parent)
        finally:
            _discard(partial)
    return folder


def check_requirements(name: str, hardware: str, folder: Path) -> None:
    """Raise MissingError before any download when a system library or disk space is missing."""
    problems = [
        Problem(f"the {name} environment needs the system library {library}", hint=hint)
        for library, hint in machine.missing_libraries(name, hardware).items()
    ]
    free, needed = machine.free_gb(folder.parent), _ROOM_GB.get((name, hardware), _BENCH_GB)
    if free < needed:
        what = f"the {name} environment needs about {needed:.1f} GB, {free:.1f} GB are free"
        problems.append(
            Problem(what, where=str(folder.parent), hint="free space, or set CONCH_HOME to another disk")
        )
    if problems:
        raise MissingError(*problems)


def lock_folder(folder: Path, progress: Progress) -> AbstractContextManager[None]:
    """Hold the lock of a folder that is being built; report when another process has it, and wait."""
    message = f"another process is building {folder.name}; waiting for it"
    return queued(folder.with_name(f".{folder.name}.lock"), message, progress)


def clear_leftovers(folder: Path) -> None:
    """Remove what killed builds of this folder left; files that a killed build's uv still writes may stay."""
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
        purpose=f"create an environment with Python {uv.PYTHON}",
    )
    install(registry.requirements(name, hardware), hardware, partial, progress)
    wheels = [_shim(shim, partial, progress) for shim in registry.shims(name, hardware)]
    if wheels:
        _add(wheels, partial, progress)
        remove(_wheelhouse(partial))


def install(requirements: Path, hardware: str, environment: Path, progress: Progress) -> None:
    """Make an environment hold exactly the packages of a lockfile."""
    sources = uv.wheel_sources(hardware)
    try:
        uv.run(
            [
                *("pip", "sync", "--python", str(environment / "bin" / "python"), "--require-hashes"),
                *(*uv.no_build(hardware), "--compile-bytecode", *_find_links(sources), str(requirements)),
            ],
            folder=environment,
            progress=progress,
            purpose=f"install {requirements.name}",
        )
    except MissingError as error:
        raise MissingError(
            *(Problem(problem.what, hint=_source_hint(sources)) for problem in error.problems)
        ) from None


def _source_hint(sources: Sequence[str]) -> str:
    """What to check when a package cannot be downloaded."""
    general = "check the connection to the package index (UV_DEFAULT_INDEX names a mirror)"
    if not sources:
        return general
    if uv.PYTORCH_CPU in sources:
        torch = f"torch's CPU build comes from {uv.PYTORCH_CPU}"
        return f"{general}; {torch}: if you cannot reach it, set PIP_FIND_LINKS to a folder or page that has it"
    return f"{general}; torch's CPU build comes from PIP_FIND_LINKS ({' '.join(sources)})"


def _find_links(sources: Sequence[str]) -> list[str]:
    return [word for source in sources for word in ("--find-links", source)]


def _wheelhouse(environment: Path) -> Path:
    return environment / "conch-shims"


def _shim(source: Path, environment: Path, progress: Progress) -> Path:
    """Build one local package into a wheel; uv contains the build backend, so nothing is downloaded."""
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
    """Install the local packages in a separate step, to which the overrides of the lockfile do not apply."""
    lines = [f"{'=='.join(wheel.name.split('-')[:2])} --hash={sha256_file(wheel)}" for wheel in wheels]
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
