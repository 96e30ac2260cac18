"""The safetensors of a folder: which file holds which tensor, and rows of one tensor at a time. Needs torch.

What cannot be read becomes a problem with the file's name, and the rest is still looked at. Not covered:
pickled and quantized weights.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tokens import Row

if TYPE_CHECKING:
    from safetensors import safe_open
    from torch import Tensor

# A tensor is looked at whole up to so many values, and above that in so many stretches of rows.
SAMPLE = 1 << 17
STRETCHES = 16
HEADER_LIMIT = 100_000_000  # the safetensors format's own
# Tables that old checkpoints carry and the model computes by itself.
COMPUTED = ("rotary_emb.inv_freq", ".masked_bias")
PREFIXES = ("model.", "transformer.")

Stretch = tuple[int, int]


class Weights:
    """Tensor → its file; reads slices, so that memory does not grow with the model.

    Attributes:
        files, shapes, dtypes: tensor → its file's name, its shape, its dtype as safetensors calls it.
        problems: [{"file", "what"}] of what could not be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, str] = {}
        self.problems: list[dict[str, str]] = []
        self._open: dict[str, safe_open] = {}
        for name, promised in _files(folder, self.problems).items():
            self._take(name, promised)

    def _take(self, name: str, promised: set[str]) -> None:
        path = self.folder / name
        try:
            header = read_header(path)
        except (OSError, ValueError) as error:
            what = getattr(error, "strerror", None) or str(error)
            self.problems.append({"file": str(path), "what": what})
            return
        lacking = sorted(promised - set(header))
        if lacking:
            what = f"lacks {len(lacking)} tensors that the index promises, {lacking[0]} first"
            self.problems.append({"file": str(path), "what": what})
        for tensor, entry in header.items():
            if not tensor.endswith(COMPUTED):
                self.files[tensor] = name
                self.shapes[tensor] = tuple(entry["shape"])
                self.dtypes[tensor] = entry["dtype"]

    def read(self, name: str, stretches: Sequence[Stretch] | None = None) -> Tensor:
        """The tensor, or those rows of it, one stretch after the other, in its own dtype."""
        import torch
        from safetensors import safe_open

        file = self.files[name]
        if file not in self._open:
            self._open[file] = safe_open(str(self.folder / file), "pt")
        if stretches is None or not self.shapes[name]:
            return self._open[file].get_tensor(name)
        part = self._open[file].get_slice(name)
        return torch.cat([part[start:end] for start, end in stretches])

    def named(self, name: str) -> str:
        """The tensor of that name here, "" when there is none; a model's own prefix may come or go."""
        parts = name.split(".", 1)
        for each in (name, *(prefix + name for prefix in PREFIXES), parts[-1]):
            if each in self.files:
                return each
        return ""


def _files(folder: Path, problems: list[dict[str, str]]) -> dict[str, set[str]]:
    """File name → the tensors that an index promises in it (none without an index)."""
    for single in ("model.safetensors", "adapter_model.safetensors"):
        if (folder / single).exists():
            return {single: set()}
    index = folder / "model.safetensors.index.json"
    try:
        promised: dict[str, set[str]] = {}
        for tensor, file in json.loads(index.read_text(encoding="utf-8"))["weight_map"].items():
            promised.setdefault(Path(file).name, set()).add(tensor)
    except FileNotFoundError:
        problems.append({"file": str(folder), "what": "holds no safetensors weights"})
        return {}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        problems.append({"file": str(index), "what": "cannot be read"})
        return {}
    return promised


def read_header(path: Path) -> Row:
    """Tensor → dtype, shape, data_offsets of a safetensors file that is whole.

    Raises:
        OSError: it cannot be opened. ValueError: it is cut short, or none.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1  # noqa: PLR2004
        if not 0 < length <= min(HEADER_LIMIT, size - 8):
            raise ValueError(f"is cut short or no safetensors file ({size} bytes)")
        try:
            header: Row = json.loads(file.read(length))
            header.pop("__metadata__", None)
            end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
            _ = [tuple(entry["shape"]) for entry in header.values()]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise ValueError("has a header that cannot be read") from None
    if end != size - 8 - length:
        raise ValueError(f"is cut short: {size} bytes, its header promises {8 + length + end}")
    return header


def sampled(name: str, shape: Sequence[int], seed: int) -> list[Stretch]:
    """The rows to look at: all of a small tensor, else STRETCHES stretches, one somewhere in each equal part.

    >>> sampled("norm", (576,), 0), len(sampled("head", (49152, 576), 0))
    ([(0, 576)], 16)
    """
    rows = shape[0] if shape else 1
    values = 1
    for length in shape:
        values *= length
    if values <= SAMPLE:
        return [(0, rows)]
    size = max(1, SAMPLE * rows // values // STRETCHES)
    part = rows / STRETCHES
    if size >= part:
        return [(0, rows)]
    # Not for secrets: the same rows of the same tensor, every time.
    draw = random.Random(f"{seed}:{name}")  # noqa: S311
    starts = {int(index * part + draw.random() * (part - size)) for index in range(STRETCHES)}
    return [(start, start + size) for start in sorted(starts)]
