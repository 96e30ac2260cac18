"""Whether an export is its base with the adapter merged. Run by the train environment's Python.

It needs no server, and imports only torch and safetensors.

    python merge_check.py --base inputs/base --adapter adapter --export export --method lora \
        --settings train.yaml --out proofs/export/merge_facts.json

Every tensor of the export is compared with what the merge must give (merge_rows.py): as a whole up to 2^17
values, above that in 16 stretches of rows, drawn with a seed. With `--method full` or `freeze`, the export
must hold the trained folder's own tensors; with freeze those that `--settings` does not train must be the
base's, with LLaMA Pro at their new places (frozen.py). Only one tensor is in memory at a time.

The facts are one JSON object, which proofs/merge.py reads:

    {"method", "dtypes": {"base", "loaded", "adapter", "export"}, "seed", "sample",
     "tensors": {kind: number}, "values", "looked", "modules", "silent": [module], "unmatched": [module],
     "begun", "rslora", "untied", "dropped", "changed", "invisible", "scales": [number], "fit": [least, most],
     "worst": diff in bounds,
     "files": {file: {"tensors", "bad", "taught"}}, "bad": [record], "bad_number", "missing": [tensor],
     "extra": [tensor], "resized": {tensor: [rows of the base, of the export]}, "uncovered": {why: number},
     "problems": [{"file", "what"}], "head"}

`head` is about the head of a reward model, which the export takes over from value_head.safetensors beside the
adapter: "same"; "other"; "lost", where the export has none; "unknown", where training left none; "" for a
model that is none.

kind is merged, replaced (saved whole by the adapter), trained (full, freeze), frozen, untouched or uncovered.
untied: the tensor of an output head that config.json says is the embedding table, although it is another. Not
covered: rows that were not drawn (the model hashes cover all bytes), quantized weights, and what lora.py does
not cover.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from frozen import Frozen, layers_of
from lora import HEADS, TABLES, LoraWeights, Update, read_adapter, tied_to
from merge_rows import MergedRows, compare_merged, compare_same, quantized
from tokens import Row, output, put
from weights import SAMPLE, Stretch, Weights, sampled

if TYPE_CHECKING:
    from torch import dtype

LISTED = 400
VALUE_HEAD = "value_head.safetensors"
HEAD = {"score.weight": "v_head.summary.weight", "score.bias": "v_head.summary.bias"}
UNTAUGHT = ("untouched", "frozen")
DTYPES = {"float32": "float32", "float16": "float16", "bfloat16": "bfloat16", "float64": "float64"}


def main() -> None:
    """Write the facts under a temporary name, then rename the file."""
    import torch

    # The work is moving memory: more threads only wait for each other, above all on a busy machine.
    torch.set_num_threads(1)
    arguments = parse_arguments()
    with output(arguments.out) as stream:
        put(stream, check(arguments))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Whether an export is its base with the adapter merged.")
    add = parser.add_argument
    add("--base", required=True, help="the folder of the base model")
    add("--adapter", required=True, help="the adapter; with full and freeze the trained model")
    add("--export", required=True, help="the folder of the export")
    add("--method", required=True, choices=["lora", "full", "freeze"], help="how it was trained")
    add("--settings", default="", help="the train.yaml, which says what freeze trains")
    add("--seed", type=int, default=0, help="draws the rows of large tensors")
    add("--out", required=True, help="the JSON to write")
    return parser.parse_args()


@dataclass
class Tally:
    """The counts over all tensors."""

    kinds: Counter[str] = field(default_factory=Counter)
    files: dict[str, Counter[str]] = field(default_factory=dict)
    bad: list[Row] = field(default_factory=list)
    bad_number: int = 0
    values: int = 0
    looked: int = 0
    changed: int = 0
    invisible: int = 0
    fits: list[float] = field(default_factory=list)
    worst: float = 0.0

    def add(self, record: Row, values: int) -> None:
        """Count one tensor."""
        self.kinds[record["kind"]] += 1
        self.files.setdefault(record["file"], Counter()).update(
            tensors=1, bad=not record["ok"], taught=record["kind"] not in UNTAUGHT
        )
        self.values += values
        self.looked += record["values"]
        self.changed += record["kind"] not in UNTAUGHT and not record.get("like_base", False)
        self.invisible += not record.get("visible", 1)
        self.worst = max(self.worst, record.get("worst", 0.0))
        if record.get("fit") is not None and record["ok"]:
            self.fits.append(record["fit"])
        if not record["ok"]:
            self.bad_number += 1
            if len(self.bad) < LISTED:
                self.bad.append(record)


def check(arguments: argparse.Namespace) -> Row:
    """The facts, as in the module docstring."""
    base, export = Weights(Path(arguments.base)), Weights(Path(arguments.export))
    if arguments.method == "lora":
        adapter = read_adapter(Path(arguments.adapter), base)
    else:
        trained = Weights(Path(arguments.adapter))
        adapter = LoraWeights(trained, replaced={name: name for name in trained.files})
    frozen = Frozen.of(arguments.method, arguments.settings, base.folder, export.folder)
    parts = Parts(base, export, adapter, frozen, arguments)
    tally, resized = Tally(), {}
    places = {name: frozen.source(name) for name in export.files}
    names = {name: base.named(place) or tied_to(place, base) for name, place in places.items()}
    if frozen.blocks and (now := layers_of(export.folder)) != frozen.layers + frozen.blocks:
        what = f"has {now} blocks, not the base's {frozen.layers} and {frozen.blocks} new ones"
        export.problems.append({"file": str(export.folder / "config.json"), "what": what})
    # The tensors of an unreadable file are missing too; its problem already says so.
    whole = not (base.problems or export.problems or adapter.weights.problems)
    for name, source in names.items():
        if not source:
            continue
        if base.shapes[source][:1] != export.shapes[name][:1]:
            resized[name] = [(base.shapes[source] or (1,))[0], (export.shapes[name] or (1,))[0]]
        if base.shapes[source][1:] == export.shapes[name][1:]:
            values = 1
            for length in export.shapes[name]:
                values *= length
            tally.add(parts.record(name, source), values)
    found = set(names.values())
    dropped = [name for name, key in adapter.replaced.items() if not held_by(export, adapter, name, key)]
    lacking = [name for name in base.files if name not in found and not tied_to(name, export)]
    return facts(arguments, parts, tally) | {
        "resized": resized,
        "missing": lacking if whole else [],
        "dropped": dropped if whole and arguments.method == "lora" else [],
        "extra": [name for name, source in names.items() if not source and name not in HEAD] if whole else [],
        "problems": [*base.problems, *adapter.weights.problems, *export.problems],
        "head": head_of(export, reward_head(arguments.settings, Path(arguments.adapter))),
    }


def reward_head(settings: str, adapter: Path) -> Path | None:
    """The trained head of a reward model; None where training leaves none.

    A training of stage ppo leaves a file of that name, too: of its critic, which no model needs afterwards.
    """
    import yaml

    said: Row = yaml.safe_load(Path(settings).read_text(encoding="utf-8")) if settings else {}
    path = adapter / VALUE_HEAD
    return path if said.get("stage") != "ppo" and path.is_file() else None


def head_of(export: Weights, value_head: Path | None) -> str:
    """What became of a reward model's head, as in the module docstring."""
    import torch
    from safetensors import safe_open

    here = [name for name in HEAD if name in export.files]
    if value_head is None:
        return "unknown" if here else ""
    if len(here) < len(HEAD):
        return "lost"
    with safe_open(str(value_head), "pt") as trained:
        same = all(torch.equal(export.read(name), trained.get_tensor(HEAD[name])) for name in here)
    return "same" if same else "other"


def held_by(export: Weights, adapter: LoraWeights, name: str, key: str) -> bool:
    """Whether the export holds a tensor that was saved whole; a head also as the table that it equals."""
    import torch

    if export.named(name):
        return True
    table = tied_to(name, export)
    other = adapter.replaced.get(table, "")
    return bool(other) and torch.equal(adapter.weights.read(key), adapter.weights.read(other))


class Parts:
    """Base, export and adapter, and the record of each tensor."""

    def __init__(
        self,
        base: Weights,
        export: Weights,
        adapter: LoraWeights,
        frozen: Frozen,
        arguments: argparse.Namespace,
    ) -> None:
        self.base, self.export, self.adapter, self.frozen = base, export, adapter, frozen
        self.full = arguments.method != "lora"
        self.seed = arguments.seed
        # transformers casts every weight to the configuration's dtype when it loads a model.
        self.loaded = dtype_of(Path(arguments.adapter if self.full else arguments.base))

    def record(self, name: str, source: str) -> Row:
        """Compare one tensor of the export with what the merge must give."""
        whole = self._whole(name, source)
        weights, key = (self.adapter.weights, whole) if whole else (self.base, source)
        # Of a larger vocabulary the new rows, too, are those of the table that was saved whole.
        rows = min((self.export.shapes[name] or (1,))[0], (weights.shapes[key] or (1,))[0])
        shape = (rows, *self.export.shapes[name][1:]) if self.export.shapes[name] else ()
        stretches = sampled(name, shape, self.seed)
        sides = MergedRows(self.export.read(name, stretches), weights.read(key, stretches), self.loaded)
        told: Row = {"tensor": name, "file": self.export.files[name], "values": sides.export.numel()}
        updates = self.adapter.updates.get(source, [])
        if source in self.adapter.uncovered:
            same = compare_same(sides)
            return told | {"kind": "uncovered", "ok": same["finite"], "like_base": same["ok"]}
        if updates:
            first = updates[0]
            told |= {"scale": first.scale, "alpha": first.alpha, "rank": first.rank}
            return told | {"kind": "merged", "module": first.module} | self._merged(sides, updates, stretches)
        if source in self.adapter.biases:
            bias, scale = self.adapter.biases[source]
            update = self.adapter.weights.read(bias, stretches).double() * scale
            merged = compare_merged(sides, [(update, update.abs())], 1, self._adapter_eps(bias))
            return told | {"kind": "merged", "module": source, "scale": scale} | merged
        same = compare_same(sides)
        if not whole:
            kind = "frozen" if self.frozen.stays(name) else "untouched"
            return told | {"kind": kind} | same
        kind = "trained" if self.full else "replaced"
        if (self.base.shapes[source] or (1,))[0] < rows:
            return told | {"kind": kind} | same | {"like_base": False}
        before = compare_same(MergedRows(sides.export, self.base.read(source, stretches), self.loaded))
        return told | {"kind": kind} | same | {"like_base": before["ok"]}

    def _whole(self, name: str, source: str) -> str | None:
        """The key of the tensor that takes the base's place; None where the base's own must be exported."""
        if self.full:
            return None if self.frozen.stays(name) else (self.adapter.weights.named(name) or None)
        replaced, stored = self.adapter.replaced, self.base.named(name)
        # A tied head that only the export stores is the adapter's own head, or else its table.
        key = replaced.get(stored or name) or ("" if stored else replaced.get(source))
        if key and self.adapter.weights.shapes[key][1:] == self.base.shapes[source][1:]:
            return key
        return None

    def _merged(self, sides: MergedRows, updates: list[Update], stretches: list[Stretch]) -> Row:
        """The merge of one tensor; of a wrong one also whether a part of the method was left out."""
        weights, eps = self.adapter.weights, self._adapter_eps(updates[0].a)
        plain = [update.rows(weights, stretches) for update in updates]
        before = sides.before.to(self.loaded or sides.before.dtype).double()
        both = [
            update.turned(weights, stretches, before, each) if update.magnitude else each
            for update, each in zip(updates, plain, strict=True)
        ]
        rank = updates[0].rank
        merged = compare_merged(sides, both, rank, eps)
        if merged["ok"] or merged.get("looks") in ("base", "not finite"):
            return merged
        half = [update.rows(weights, stretches, ranks=update.rank // 2) for update in updates]
        without = {"no magnitude": plain if updates[0].magnitude else [], "half": half}
        for looks, other in without.items():
            if other and compare_merged(sides, other, rank, eps)["ok"]:
                return merged | {"looks": looks}
        return merged | ({"looks": "quantized"} if quantized(sides, both) else {})

    def _adapter_eps(self, key: str) -> float:
        import torch

        return float(torch.finfo(self.adapter.weights.read(key, [(0, 1)]).dtype).eps)


def dtype_of(folder: Path) -> dtype | None:
    """The dtype in which config.json says to load a model; None if it does not say."""
    import torch

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        said = config.get("dtype") or config.get("torch_dtype")
    except (OSError, ValueError, AttributeError):
        return None
    name = DTYPES.get(str(said))
    found: dtype | None = getattr(torch, name) if name else None
    return found


def facts(arguments: argparse.Namespace, parts: Parts, tally: Tally) -> Row:
    """The facts as JSON-able values."""
    adapter = parts.adapter
    updates = [update for each in adapter.updates.values() for update in each]
    return {
        "method": arguments.method,
        "dtypes": {
            "base": stored_as(parts.base),
            "loaded": str(parts.loaded or "").removeprefix("torch."),
            "adapter": stored_as(adapter.weights),
            "export": stored_as(parts.export),
        },
        "seed": arguments.seed,
        "sample": SAMPLE,
        "tensors": dict(tally.kinds),
        "values": tally.values,
        "looked": tally.looked,
        "modules": adapter.modules,
        "silent": adapter.silent,
        "unmatched": adapter.unmatched,
        "begun": adapter.begun,
        "rslora": any(update.rslora for update in updates),
        "untied": untied(parts.export),
        "changed": tally.changed,
        "invisible": tally.invisible,
        "scales": sorted({round(update.scale, 6) for update in updates})[:20],
        "fit": [min(tally.fits), max(tally.fits)] if tally.fits else [],
        "worst": tally.worst,
        "files": {file: dict(counts) for file, counts in tally.files.items()},
        "bad": tally.bad,
        "bad_number": tally.bad_number,
        "uncovered": dict(Counter(adapter.uncovered.values())),
    }


def untied(export: Weights) -> str:
    """The head that config.json says is the embedding table, although another one is stored; "" for none.

    A server reads config.json and drops it: vLLM skips lm_head.weight of a tied model without a word.
    """
    import torch

    try:
        config = json.loads((export.folder / "config.json").read_text(encoding="utf-8"))
        tied = bool(config.get("tie_word_embeddings"))
    except (OSError, ValueError, AttributeError):
        return ""
    head = next((name for name in export.files if name.endswith(HEADS)), "")
    table = next((name for name in export.files if name.endswith(TABLES)), "")
    if not tied or not head or not table:
        return ""
    if export.shapes[head] != export.shapes[table]:
        return head
    stretches = sampled(head, export.shapes[head], 0)
    return "" if torch.equal(export.read(head, stretches), export.read(table, stretches)) else head


def stored_as(weights: Weights) -> str:
    """The dtype of most tensors in a folder, as safetensors names it; "" if there are none."""
    names = Counter(weights.dtypes.values())
    return names.most_common(1)[0][0] if names else ""


if __name__ == "__main__":
    main()
