"""The environments of the engines and of the benchmark tools: where each lies, and what it is made of.

An environment is named by the hash of the files under environments/ that make it, so that clones share it
and a changed requirement never meets an old folder. Making one is build_environment.py's work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments.minimum_versions import check_floors
from orchestrator.execute.host.paths import conch_home

NAMES = ("train", "serve")
PROFILES = ("cpu", "cuda")
# Made when they are first used: these ask a server, and are the same on every hardware.
BENCHES = ("evalscope", "lm-eval")
ANY = "any"
SOURCES = Path(__file__).resolve().parents[3] / "environments"

# Local packages that stand where the registry has none that works; why, in each one's pyproject.toml.
SHIMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("train", "cpu"): ("torchaudio",),
    ("train", "cuda"): ("torchaudio",),
    ("serve", "cpu"): ("vllm",),
    ("serve", "cuda"): (),
}

_HASH_LENGTH = 12


def requirements(name: str, hardware: str) -> Path:
    """The pinned, hashed requirement file of an environment."""
    return SOURCES / f"{name}-{hardware}.txt"


def shims(name: str, hardware: str) -> tuple[Path, ...]:
    """The folders of an environment's local packages."""
    return tuple(SOURCES / "shims" / shim for shim in SHIMS.get((name, hardware), ()))


def lockfile_hash(name: str, hardware: str) -> str:
    """The hash of everything that an environment is made of; reads a few hundred kB, asks nothing else.

    Raises:
        MissingError: the requirement files are not there (Conch runs from a clone).
    """
    digest = hashlib.sha256()
    folders = shims(name, hardware)
    paths = [requirements(name, hardware)]
    paths += [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in {".py", ".toml"}
    ]
    for path in paths:
        digest.update(f"{path.relative_to(SOURCES).as_posix()}\n".encode())
        digest.update(_bytes(path))
    return digest.hexdigest()[:_HASH_LENGTH]


def environment_folder(name: str, hardware: str) -> Path:
    """Where an environment lies when it is made: below CONCH_HOME, named by its hash."""
    return conch_home() / "environments" / f"{name}-{hardware}-{lockfile_hash(name, hardware)}"


def is_ready(folder: Path) -> bool:
    """Whether an environment is whole: it has its name only when it is, and its Python still exists."""
    return (folder / "bin" / "python").exists()


def require(name: str, hardware: str) -> Path:
    """The folder of an environment that was made before.

    Raises:
        MissingError: it was not, and names the command that makes it; or a package in it is too old to run.
    """
    folder = environment_folder(name, hardware)
    if is_ready(folder):
        old = check_floors(folder, name)
        if old:
            raise MissingError(*old)
        return folder
    problem = Problem(
        f"the {name} environment for {hardware} is not there",
        hint=f"conch env sync {name} --hardware {hardware}",
    )
    raise MissingError(problem)


def sync(name: str, hardware: str, progress: Callable[[str], None]) -> Path:
    """The folder of an environment, made now when it was not; two that make the same one wait for each other.

    Raises:
        MissingError: a system library, uv, disk space, or what must be downloaded is missing.
        Interrupted: a signal came; nothing lies under the environment's name, and another call starts afresh.
    """
    folder = environment_folder(name, hardware)
    if is_ready(folder):
        return folder
    from orchestrator.execute.environments.build import make

    make(name, hardware, folder, progress)
    return folder


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"cannot read what the environments are made of: {error.strerror}"
        raise MissingError(
            Problem(what, where=str(path), hint="run conch from a clone of its repository")
        ) from None
