"""The faults of planted_faults.py that lie in the files of a trained run, or in the server, as a table.

Each plants one thing and leaves its undoing on a stack; `conch prove` then judges the run's very files.
Weights are edited as bytes in their safetensors files: no engine is needed for that.
"""

from __future__ import annotations

import json
import shutil
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Span = tuple[int, int]
NAN = b"\x00\x00\xc0\x7f"
Q0, Q1 = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.self_attn.q_proj.weight"
UP = "model.layers.7.mlp.up_proj.weight"
END, OTHER_END = "<｜end▁of▁sentence｜>", "<|im_end|>"


@dataclass(frozen=True, slots=True)
class Planted:
    """A run folder whose files are changed, and what puts them back."""

    run: Path
    undo: ExitStack

    @property
    def weights(self) -> Path:
        """The export's weights, in one file."""
        return self.run / "export/model.safetensors"

    @property
    def base(self) -> Path:
        """The link to the base model's folder."""
        return self.run / "inputs/base"

    def text(self, name: str, *edits: tuple[str, str]) -> None:
        """Replace texts in a file; one that is not there is a fault of this table."""
        path = self.run / name
        old = new = path.read_bytes().decode("utf-8")
        self.undo.callback(path.write_bytes, old.encode("utf-8"))
        for before, after in edits:
            if before not in new:
                message = f"{name} holds no {before!r}"
                raise ValueError(message)
            new = new.replace(before, after, 1)
        path.write_bytes(new.encode("utf-8"))

    def values(self, name: str, **values: Any) -> None:
        """Set values in a JSON file."""
        path = self.run / name
        old = path.read_bytes()
        self.undo.callback(path.write_bytes, old)
        path.write_text(json.dumps(json.loads(old) | values, ensure_ascii=False), encoding="utf-8")

    def patch(self, path: Path, pieces: Mapping[int, bytes]) -> None:
        """Write bytes at places of a file."""
        with path.open("r+b") as file:
            for place, data in pieces.items():
                file.seek(place)
                self.undo.callback(_write_at, path, place, file.read(len(data)))
                file.seek(place)
                file.write(data)

    def aside(self, path: Path) -> Path:
        """Move a file away until the undoing."""
        away = path.with_name(f".{path.name}.aside")
        path.rename(away)
        self.undo.callback(away.rename, path)
        return away


def tensors(path: Path) -> dict[str, Span]:
    """Name → where its bytes begin and end in a safetensors file."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    first = 8 + length
    spans = {name: one["data_offsets"] for name, one in header.items() if name != "__metadata__"}
    return {name: (first + start, first + end) for name, (start, end) in spans.items()}


def _read(path: Path, span: Span) -> bytes:
    with path.open("rb") as file:
        file.seek(span[0])
        return file.read(span[1] - span[0])


def _write_at(path: Path, place: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


def write_shard(path: Path, source: Path, names: Iterable[str]) -> None:
    """Some tensors of a file, as a file of their own; float32, as the export of the smoke recipe is."""
    with source.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    spans, told, place = tensors(source), {}, 0
    for name in names:
        size = spans[name][1] - spans[name][0]
        told[name] = header[name] | {"data_offsets": [place, place + size]}
        place += size
    head = json.dumps({"__metadata__": {"format": "pt"}, **told}).encode("utf-8")
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for name in told:
            file.write(_read(source, spans[name]))


def _as_base(names: Callable[[str], bool]) -> Callable[[Planted], None]:
    """Some tensors of the export are the base's, as if nothing had been merged into them."""

    def plant(planted: Planted) -> None:
        base = planted.base / "model.safetensors"
        theirs, ours = tensors(base), tensors(planted.weights)
        chosen = [name for name in ours if names(name)]
        pieces = {ours[name][0]: _read(base, theirs[name]) for name in chosen}
        planted.patch(planted.weights, pieces)

    return plant


def _stale(planted: Planted) -> None:
    """Trained again after the export: every update of the adapter is another one."""
    path = planted.run / "adapter/adapter_model.safetensors"
    pieces = {}
    for name, span in tensors(path).items():
        if "lora_B" in name:
            numbers = array("f", _read(path, span))
            numbers.reverse()
            pieces[span[0]] = numbers.tobytes()
    planted.patch(path, pieces)


def _swapped_tensors(planted: Planted) -> None:
    spans = tensors(planted.weights)
    first, second = (_read(planted.weights, spans[name]) for name in (Q0, Q1))
    planted.patch(planted.weights, {spans[Q0][0]: second, spans[Q1][0]: first})


def _swapped_shard(planted: Planted) -> None:
    """The export in two files, the second of which is the base's."""
    spans = list(tensors(planted.weights))
    half = len(spans) // 2
    sources = (planted.aside(planted.weights), planted.base / "model.safetensors")
    index: dict[str, str] = {}
    for number, (names, source) in enumerate(zip((spans[:half], spans[half:]), sources, strict=True), 1):
        shard = planted.weights.with_name(f"model-0000{number}-of-00002.safetensors")
        planted.undo.callback(shard.unlink, missing_ok=True)
        write_shard(shard, source, names)
        index |= dict.fromkeys(names, shard.name)
    path = planted.weights.with_name("model.safetensors.index.json")
    planted.undo.callback(path.unlink, missing_ok=True)
    path.write_text(json.dumps({"metadata": {}, "weight_map": index}), encoding="utf-8")


def _other_revision(planted: Planted) -> None:
    """The base's folder is one with a tensor that training does not touch changed."""
    link, other = planted.base, planted.run.parent / ".other-base"
    source = link.resolve()
    planted.undo.callback(shutil.rmtree, other, ignore_errors=True)
    shutil.copytree(source, other)
    weights = other / "model.safetensors"
    span = tensors(weights)["model.norm.weight"]
    numbers = array("f", _read(weights, span))
    _write_at(weights, span[0], array("f", [one * 1.5 for one in numbers]).tobytes())
    link.unlink()
    link.symlink_to(other)
    planted.undo.callback(link.symlink_to, source)
    planted.undo.callback(link.unlink)


def _truncated(planted: Planted) -> None:
    size, lost = planted.weights.stat().st_size, 1_000_000
    with planted.weights.open("r+b") as file:
        file.seek(size - lost)
        planted.undo.callback(_write_at, planted.weights, size - lost, file.read())
        file.truncate(size - lost)


def _not_a_number(planted: Planted) -> None:
    """A whole tensor, as an overflow leaves it: the merge proof looks at a sample of the values."""
    start, end = tensors(planted.weights)[UP]
    planted.patch(planted.weights, {start: NAN * ((end - start) // len(NAN))})


def _text(name: str, *edits: tuple[str, str]) -> Callable[[Planted], None]:
    return lambda planted: planted.text(name, *edits)


def _values(name: str, **values: Any) -> Callable[[Planted], None]:
    return lambda planted: planted.values(name, **values)


def _no_end(planted: Planted) -> None:
    planted.values("export/generation_config.json", eos_token_id=[2])
    planted.values("export/tokenizer_config.json", eos_token=OTHER_END)


def _template_gone(planted: Planted) -> None:
    planted.aside(planted.run / "export/chat_template.jinja")


@dataclass(frozen=True, slots=True)
class RunFault:
    """A fault in a run's files.

    Attributes:
        name: of the fault.
        plant: does it.
        proof: that is to name it.
        words: that this proof's sentence or findings have.
        also: proofs that may fail for the same reason; no other may.
        recipe: of the run.
    """

    name: str
    plant: Callable[[Planted], None]
    proof: str
    words: tuple[str, ...]
    also: tuple[str, ...] = ()
    recipe: str = "smoke"


GENERATION, TOKENIZER = "export/generation_config.json", "export/tokenizer_config.json"
USER, PARITY = "{{- '<｜User｜>' + content -}}", ("parity:data", "parity:export")
RUN_FAULTS = (
    RunFault(
        "eos-of-generation-config", _values(GENERATION, eos_token_id=[2]), "hashes", ("eos_token_id is",)
    ),
    RunFault(
        "eos-of-tokenizer-config",
        _values(TOKENIZER, eos_token=OTHER_END),
        "stop",
        ("its eos_token is <|im_end|>",),
        ("parity:export",),
    ),
    RunFault("eos-of-both", _no_end, "stop", ("the server stops only at",), ("parity:export", "hashes")),
    RunFault("not-merged", _as_base(lambda _: True), "merge", ("the export is the base model",)),
    RunFault("one-module-not-merged", _as_base(lambda name: name == UP), "merge", (UP[:-7], "not merged")),
    RunFault("stale-merge", _stale, "merge", ("another adapter", "stale merge"), ("hashes",)),
    RunFault("swapped-tensors", _swapped_tensors, "merge", (Q0[:-7], Q1[:-7])),
    RunFault("swapped-shard", _swapped_shard, "merge", ("model-00002-of-00002", "the base's own shard")),
    RunFault("other-base-revision", _other_revision, "hashes", ("another revision of the base",), ("merge",)),
    RunFault("truncated-shard", _truncated, "merge", ("model.safetensors",)),
    RunFault("not-a-number", _not_a_number, "merge", ("infinite or undefined", UP[:-7])),
    RunFault(
        "other-lora-alpha",
        _values("adapter/adapter_config.json", lora_alpha=64),
        "merge",
        ("times the update", "lora_alpha"),
        ("hashes",),
    ),
    RunFault(
        "edited-export-template",
        _text("export/chat_template.jinja", (USER, USER.replace("<｜User｜>", "<｜User｜> "))),
        "hashes",
        ("the export's chat template is not the proven one",),
    ),
    RunFault(
        "edited-run-template",
        _text("chat_template.jinja", (USER, USER.replace("<｜User｜>", "<｜User｜> "))),
        "parity:export",
        ("the chat template was edited",),
        ("parity:data", "hashes"),
    ),
    RunFault("export-template-gone", _template_gone, "hashes", ("has no chat template",)),
    RunFault(
        "train-data-edited",
        _text("data/smoke.jsonl", ("我是神奇海螺。", "我是海绵宝宝。")),
        "hashes",
        ("the training data",),
        ("rows", *PARITY),
    ),
    RunFault(
        "generation-config-changed", _values(GENERATION, temperature=0.1), "hashes", ("temperature is 0.1",)
    ),
)
