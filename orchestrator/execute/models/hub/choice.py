"""Which files of a repository to download. Pure."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from orchestrator.datasets.entry import SUFFIXES
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.models.hub.protocol import Listing, RemoteFile

# The files that engines read. Weights in other formats would only double the download.
USED = (
    "*.json",
    "*.safetensors",
    "*.txt",
    "*.model",
    "*.jinja",
    "tokenizer*",
    "LICENSE*",
    "README.md",
)
EXCLUDED = (
    *("*/*.safetensors", "original/*", "onnx/*", "openvino/*"),
    *("consolidated*", "*.bin.index.json", ".*"),
)
TRUSTED = ("*.py", "*.bin")
SCRIPTS = {".py", ".sh", ".pkl", ""}
# JSON files that describe a dataset and hold none of its rows.
METADATA = {
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
    "config.json",
    "readme.txt",
}
SHOWN = 10
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,127}", re.ASCII)


def check_repo(repo: str, revision: str = "") -> None:
    """Raise UsageError when a text is not the name of a repository, or of a revision."""
    if not NAME.fullmatch(repo) or ".." in repo:
        raise UsageError(
            Problem(f"{repo!r} is not the name of a repository on a hub", hint="write OWNER/NAME")
        )
    if (not REVISION.fullmatch(revision) or ".." in revision) and revision:
        raise UsageError(Problem(f"{revision!r} is no revision", repo, "name a commit, a tag or a branch"))


def check_data_file(repo: str, filename: str) -> None:
    """Raise UsageError when a text is not a data file's name: a path outside, a loading script, a pickle."""
    if not is_safe(filename) or PurePosixPath(filename).suffix in SCRIPTS:
        hint = "name one .json, .jsonl, .csv or .parquet file of the repository"
        raise UsageError(Problem(f"{filename!r} is not a data file", where=repo, hint=hint))


def model_files(listing: Listing, *, repo: str, trust: bool = False) -> list[RemoteFile]:
    """The files of a model repository that engines read; MissingError if none of them holds weights."""
    patterns = (*USED, *TRUSTED) if trust else USED
    chosen = [
        file for file in listing.files if _matches(file.path, patterns) and not _matches(file.path, EXCLUDED)
    ]
    weights = (".safetensors", ".bin") if trust else (".safetensors",)
    if not any(file.path.endswith(weights) for file in chosen):
        hint = "choose a revision or a repository with safetensors"
        what = "has no safetensors; Conch does not use pickles or GGUF files"
        raise MissingError(Problem(what, repo, hint))
    return _inside(chosen, repo)


def data_file(listing: Listing, *, repo: str, filename: str) -> list[RemoteFile]:
    """One file by its name; MissingError if it does not exist or is empty."""
    for file in listing.files:
        if file.path == filename and file.size:
            return [file]
        if file.path == filename:
            raise MissingError(Problem("is empty", where=f"{repo}/{filename}"))
    near = ", ".join(sorted(file.path for file in listing.files if not file.path.startswith("."))[:10])
    raise MissingError(Problem(f"has no file {filename!r}", where=repo, hint=f"it has: {near}"))


def sole_data_file(listing: Listing, *, repo: str, split: str = "") -> list[RemoteFile]:
    """The only data file of a repository, or the one named after the split; MissingError lists candidates."""
    found = sorted((file for file in listing.files if _is_data(file)), key=lambda file: file.path)
    word = split or "train"
    named = [
        file for file in found if re.search(rf"(^|[^a-z]){re.escape(word)}([^a-z]|$)", file.path.lower())
    ]
    chosen = named if split or len(found) > 1 else found
    if len(chosen) == 1:
        return _inside(chosen, repo)
    shown = ", ".join(file.path for file in (chosen or found)[:SHOWN])
    if not found:
        what, hint = "has no data file", f"supported formats: {', '.join(SUFFIXES)}"
    elif chosen:
        what, hint = f"has {len(chosen)} files of the split {word}", f"name one of them: {shown}"
    else:
        what = f"none of its {len(found)} data files is named after the split {word}"
        hint = f"name one of them: {shown}"
    raise MissingError(Problem(what, where=repo, hint=hint))


def _is_data(file: RemoteFile) -> bool:
    path = PurePosixPath(file.path)
    hidden = any(part.startswith(".") for part in path.parts)
    about = path.name.lower() in METADATA or path.suffix.lower() == ".md"
    return bool(file.size) and not hidden and not about and path.suffix.lower() in SUFFIXES


def is_safe(path: str) -> bool:
    """Whether a path of a listing stays inside the folder it is joined to."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith("/") and not set("\\\0") & set(path)


def digest(listing: Listing) -> str:
    """An identifier for a listing of a hub that reports no commit."""
    rows = sorted(f"{file.path} {file.size} {file.sha256}" for file in listing.files)
    return hashlib.sha1("\n".join(rows).encode(), usedforsecurity=False).hexdigest()


def _inside(files: list[RemoteFile], repo: str) -> list[RemoteFile]:
    unsafe = [file.path for file in files if not is_safe(file.path)]
    if unsafe:
        raise MissingError(Problem(f"lists a file outside itself: {unsafe[0]!r}", where=repo))
    return files


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
