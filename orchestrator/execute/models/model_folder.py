"""A model folder: whether it is complete and safe, and its manifest (conch-model.json).

Covered: files that are missing, empty, truncated or Git LFS pointers; an index that does not match its
shards; code and pickles, which are rejected unless trusted. Not covered: whether the weights are any good.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict

from orchestrator.errors import ConchError, MissingError, Problem
from orchestrator.execute.host.atomic_files import open_regular, read_regular, sha256_file, write_durable
from orchestrator.recipe.sampling import GENERATION, ServedSampling, sampling_of

MANIFEST = "conch-model.json"
INDEX = "model.safetensors.index.json"
HEADER_LIMIT = 100_000_000  # the safetensors format's own
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tiktoken.model")
PICKLES = ("pytorch_model*.bin", "model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where a model came from and the hash of every file in it.

    Attributes:
        name: its hub id or its folder's name.
        stand_in: whether it only stands in for the model that a recipe means.
        source: "HUB:OWNER/NAME", "local" or the embedded model's.
        revision: the commit, "" for none.
        files: path in the folder → "sha256:…".
    """

    name: str
    stand_in: bool = False
    source: str = ""
    revision: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The manifest's text, the same for the same model on every machine."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def read_generation(folder: Path) -> dict[str, object]:
    """The generation_config.json of a model folder; empty if it has none. MissingError if it is broken."""
    path = folder / GENERATION
    try:
        found = json.loads(read_regular(path))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise MissingError(
            Problem("not a JSON object", str(path), "fetch the model again, or correct the file")
        )
    return found


def read_sampling(folder: Path, given: Mapping[str, float] | None = None) -> ServedSampling:
    """What a served model folder does for a client that names no value, under what a recipe sets."""
    return sampling_of(read_generation(folder), given, where=str(folder / GENERATION))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a model folder; None if it is missing or cannot be read."""
    try:
        values = json.loads(read_regular(folder / MANIFEST))
        return Manifest(
            **{name: values[name] for name in ("name", "stand_in", "source", "revision", "files")}
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a model folder of Conch's."""
    write_durable(folder / MANIFEST, manifest.to_json())


def hash_files(folder: Path, progress: Callable[[str], None] = lambda _: None) -> dict[str, str]:
    """Path → "sha256:…" of every file of a model folder, without hidden ones and the manifest."""
    hashes = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if (
            not path.is_file()
            or name.as_posix() == MANIFEST
            or any(part.startswith(".") for part in name.parts)
        ):
            continue
        if path.stat().st_size > 1 << 30:
            progress(f"hashing {name} ({path.stat().st_size / 1e9:.1f} GB)")
        hashes[name.as_posix()] = sha256_file(path)
    return hashes


def check_complete(folder: Path, *, trust: bool = False) -> None:
    """Raise MissingError, with every problem, when a model folder cannot be trained or served from.

    `trust` accepts code (auto_map) and pickled weights.
    """
    problems = model_problems(folder, trust=trust)
    if problems:
        raise MissingError(*problems)


def refuse_config(folder: Path, *, trust: bool = False) -> None:
    """Raise MissingError when config.json alone shows that a model will be rejected, before its download."""
    problems = _config_problems(folder, trust=trust)
    if problems:
        raise MissingError(*problems)


def model_problems(folder: Path, *, trust: bool = False) -> list[Problem]:
    """Why a folder is not a complete model. Takes milliseconds: reads headers, computes no hashes."""
    if not folder.is_dir():
        return [Problem(f"no model folder {folder}", hint="check the path")]
    problems = _config_problems(folder, trust=trust)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        problems.append(Problem(f"has no tokenizer (one of {', '.join(TOKENIZERS)})", where=str(folder)))
    return problems + _weight_problems(folder, trust=trust)


def tensors_of(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor in the folder's safetensors files."""
    tensors: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= {name: tuple(entry["shape"]) for name, entry in read_header(path).items()}
    return tensors


class TensorEntry(TypedDict):
    """A tensor in the header of a safetensors file."""

    dtype: str
    shape: list[int]
    data_offsets: list[int]


def read_header(path: Path) -> dict[str, TensorEntry]:
    """The header of a safetensors file; MissingError if the file is incomplete or its header invalid."""
    try:
        size = path.stat().st_size
        with open_regular(path) as file:
            start = file.read(8)
            if start + file.read(15) == LFS_POINTER:
                raise _broken(path, "is a Git LFS pointer, not the file itself", "git lfs pull")
            file.seek(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1  # noqa: PLR2004
            if not 0 < length <= min(HEADER_LIMIT, size - 8):
                raise _broken(path, f"is truncated or not a safetensors file ({size} bytes)")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        _ = [tuple(entry["shape"]) for entry in header.values()]
    except OSError as error:
        raise _broken(path, f"cannot read it: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise _broken(path, "has an invalid header") from None
    if end != size - 8 - length:
        raise _broken(path, f"is truncated: {size} bytes, its header requires {8 + length + end}")
    return dict(header)


def _broken(path: Path, what: str, hint: str = "") -> MissingError:
    return MissingError(Problem(what, where=str(path), hint=hint or "fetch or export the model again"))


def _config_problems(folder: Path, *, trust: bool) -> list[Problem]:
    path = folder / "config.json"
    try:
        config = json.loads(read_regular(path))
    except FileNotFoundError:
        return [Problem("has no config.json: not a model folder", where=str(folder))]
    except (OSError, ValueError) as error:
        return [Problem(f"cannot read it: {error}", where=str(path), hint="fetch or export the model again")]
    if not isinstance(config, dict) or not (config.get("architectures") or config.get("model_type")):
        return [Problem("names no architecture", where=str(path))]
    if trust:
        return []
    what = "requires Python code of the model's author (auto_map); Conch does not run it"
    hint = "choose a model that the engines support natively"
    files = [folder / name for name in ("config.json", "tokenizer_config.json")]
    return [Problem(what, str(path), hint) for path in files if _has_code(path)]


def _has_code(path: Path) -> bool:
    try:
        return bool(json.loads(read_regular(path)).get("auto_map"))
    except (OSError, ValueError, AttributeError):
        return False


def _weight_problems(folder: Path, *, trust: bool) -> list[Problem]:
    index = folder / INDEX
    if index.is_file():
        return _index_problems(folder, index)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        if pickles and trust:
            return []
        if pickles:
            what = f"has pickled weights ({pickles[0]}), which can run code; Conch requires safetensors"
            hint = "use a revision with safetensors, or convert the weights"
            return [Problem(what, str(folder), hint)]
        return [Problem("has no weights (*.safetensors)", where=str(folder))]
    problems: list[Problem] = []
    for path in files:
        try:
            read_header(path)
        except ConchError as error:
            problems += error.problems
    return problems


def _index_problems(folder: Path, index: Path) -> list[Problem]:
    try:
        shards: dict[str, set[str]] = {}
        for tensor, shard in json.loads(read_regular(index))["weight_map"].items():
            shards.setdefault(str(shard), set()).add(tensor)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [Problem("cannot read it", where=str(index), hint="fetch or export the model again")]
    problems: list[Problem] = []
    for shard, tensors in sorted(shards.items()):
        try:
            missing = sorted(tensors - set(read_header(folder / shard)))
        except ConchError as error:
            problems += error.problems
            continue
        if missing:
            what = f"lacks {len(missing)} tensors that the index names, first {missing[0]}"
            problems.append(Problem(what, where=str(folder / shard), hint="fetch or export the model again"))
    return problems
