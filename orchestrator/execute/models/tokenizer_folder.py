"""A tokenizer folder: whether it is complete, checked before an engine starts.

Covered: files that are missing, truncated, Git LFS pointers or not JSON; a vocabulary that is missing, or
lacks tokens that its merges need; the author's code. Not covered: whether the tokenizer belongs to these
weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from orchestrator.errors import ConchError, MissingError, Problem, UsageError
from orchestrator.execute.host.atomic_files import read_regular
from orchestrator.execute.models.model_folder import LFS_POINTER, TOKENIZERS

CONFIG = "tokenizer_config.json"
TOKENIZER = "tokenizer.json"
HINT = "fetch or copy the tokenizer again"


def check_tokenizer(folder: Path) -> None:
    """Raise for a folder from which no engine can load a tokenizer: MissingError, or UsageError if broken."""
    if not folder.exists():
        raise MissingError(Problem("no such folder", str(folder), "name the folder of the tokenizer"))
    if not folder.is_dir():
        raise UsageError(Problem("is a file, not a folder", str(folder), "name the folder that contains it"))
    if not any((folder / name).is_file() for name in TOKENIZERS):
        what = f"has no tokenizer (one of {', '.join(TOKENIZERS)})"
        raise MissingError(Problem(what, str(folder), HINT))
    config = read_object(folder / CONFIG)
    if config.get("auto_map"):
        what = "requires Python code of the model's author (auto_map); Conch does not run it"
        raise UsageError(
            Problem(what, str(folder / CONFIG), "choose a model that the engines support natively")
        )
    if (folder / TOKENIZER).is_file():
        _check_vocabulary(folder / TOKENIZER)
    for name in ("config.json", "special_tokens_map.json", "vocab.json"):
        if (folder / name).exists():
            read_object(folder / name)


def read_object(path: Path) -> dict[str, object]:
    """The JSON object in a file of a tokenizer; MissingError without the file, UsageError if it is broken."""
    try:
        data = read_regular(path)
    except FileNotFoundError:
        raise MissingError(Problem(f"has no {path.name}", str(path.parent), HINT)) from None
    except OSError as error:
        raise UsageError(Problem(f"cannot read it: {error.strerror}", str(path), HINT)) from None
    if data.startswith(LFS_POINTER):
        raise MissingError(Problem("is a Git LFS pointer, not the file itself", str(path), "git lfs pull"))
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        raise _broken(path, f"is truncated or not JSON ({error.msg})", where) from None
    if not isinstance(value, dict):
        raise _broken(path, "is not a JSON object")
    return value


def _check_vocabulary(path: Path) -> None:
    model = read_object(path).get("model")
    if not isinstance(model, dict):
        raise _broken(path, 'has no "model"')
    vocabulary = model.get("vocab")
    if not vocabulary or not isinstance(vocabulary, dict | list):
        raise _broken(path, "has no vocabulary")
    if model.get("type") == "BPE" or "merges" in model:
        if not isinstance(vocabulary, dict) or not isinstance(model.get("merges"), list):
            raise _broken(path, "has a vocabulary but no merges")
        needed = _tokens_of(model["merges"], prefix=str(model.get("continuing_subword_prefix") or ""))
        missing = next((token for token in needed if token not in vocabulary), None)
        if missing is not None:
            raise _broken(path, f"has no token {missing!r}, which its merges need")


def _tokens_of(merges: list[object], prefix: str) -> Iterator[str]:
    """The tokens that the merges need: both parts of each, and their result."""
    for merge in merges:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or [type(one) for one in pair] != [str, str]:
            yield f"{merge!r}"
            continue
        yield from (*pair, pair[0] + pair[1].removeprefix(prefix))


def _broken(path: Path, what: str, where: str = "") -> ConchError:
    return UsageError(Problem(what, where or str(path), HINT))
