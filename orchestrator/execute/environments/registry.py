"""The environments of the engines and the benchmark tools: their folders and what they are built from.

An environment is named by the hash of the files in environments/ that define it: clones share it, and a changed
requirement gets a new folder. build.py builds them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments.minimum_versions import check_versions
from orchestrator.execute.host.paths import conch_home

NAMES = ("train", "serve")
# Built when they are asked for: what single kinds of training need instead of train.
OPTIONAL = ("ppo",)
PROFILES = ("cpu", "cuda")
# Built at their first use; they only send requests, so they are the same on every hardware.
BENCHES = ("evalscope", "lm-eval")
ANY = "any"
SOURCES = Path(__file__).resolve().parents[3] / "environments"

# Local packages that replace ones of the index that do not work; each pyproject.toml says why.
SHIMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("train", "cpu"): ("torchaudio",),
    ("train", "cuda"): ("torchaudio",),
    ("ppo", "cpu"): ("torchaudio",),
    ("ppo", "cuda"): ("torchaudio",),
    ("serve", "cpu"): ("vllm",),
    ("serve", "cuda"): (),
}

_HASH_LENGTH = 12


def requirements(name: str, hardware: str) -> Path:
    """The lockfile of an environment: pinned and hashed requirements."""
    return SOURCES / f"{name}-{hardware}.txt"


def shims(name: str, hardware: str) -> tuple[Path, ...]:
    """The folders of an environment's local packages."""
    return tuple(SOURCES / "shims" / shim for shim in SHIMS.get((name, hardware), ()))


def lockfile_hash(name: str, hardware: str) -> str:
    """The hash of everything that an environment is built from; reads a few hundred kB."""
    digest = hashlib.sha256()
    folders = shims(name, hardware)
    paths = [requirements(name, hardware)]
    paths += [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in {".py", ".toml"}
    ]
    for path in paths:
        digest.update(f"{path.relative_to(SOURCES).as_posix()}\n".encode())
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            what = f"cannot read the environment definitions: {error.strerror}"
            hint = "run conch from a clone of its repository"
            raise MissingError(Problem(what, str(path), hint)) from None
    return digest.hexdigest()[:_HASH_LENGTH]


def environment_folder(name: str, hardware: str) -> Path:
    """The folder of an environment, built or not: below CONCH_HOME, named by its hash."""
    return conch_home() / "environments" / f"{name}-{hardware}-{lockfile_hash(name, hardware)}"


def is_ready(folder: Path) -> bool:
    """Whether an environment is complete: only then it has its name; and its Python still exists."""
    return (folder / "bin" / "python").exists()


def require(name: str, hardware: str) -> Path:
    """The folder of an environment; MissingError if it was not built, or a package in it is too old."""
    folder = environment_folder(name, hardware)
    if is_ready(folder):
        old = check_versions(folder, name)
        if old:
            raise MissingError(*old)
        return folder
    hint = f"conch env sync {name} --hardware {hardware}"
    raise MissingError(Problem(f"the {name} environment for {hardware} is not installed", hint=hint))
