"""Whether an export is its base with the adapter merged. Run by the train environment's Python.

It needs no server, and imports only torch and safetensors.

    python merge_check.py --base inputs/base --adapter adapter --export export --method lora \
        --out proofs/export/merge_facts.json

Every tensor of the export is compared with what the merge must give (merge_rows.py): as a whole up to 2^17
values, above that in 16 stretches of rows, drawn with a seed. With `--method full` or `freeze`, the export
must hold the trained folder's own tensors. Only one tensor is in memory at a time.

The facts are one JSON object, which proofs/merge.py reads:

    {"method", "dtypes": {"base", "loaded", "adapter", "export"}, "seed", "sample",
     "tensors": {kind: number}, "values", "looked", "modules", "silent": [module], "unmatched": [module],
     "changed", "invisible", "scales": [number], "fit": [least, most], "worst": diff in bounds,
     "files": {file: {"tensors", "bad", "taught"}}, "bad": [record], "bad_number", "missing": [tensor],
     "extra": [tensor], "resized": {tensor: [rows of the base, of the export]}, "uncovered": {why: number},
     "problems": [{"file", "what"}], "head"}

`head` is about the head of a reward model, which the export takes over from value_head.safetensors beside the
adapter: "same"; "other"; "lost", where the export has none; "unknown", where training left none; "" for a
model that is none.

kind is merged, replaced (saved whole by the adapter), trained (full, freeze), untouched or uncovered. Not
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

from lora import LoraWeights, read_adapter, tied_to
from merge_rows import MergedRows, compare_merged, compare_same
from tokens import Row, output, put
from weights import SAMPLE, Weights, sampled

if TYPE_CHECKING:
    from torch import dtype

LISTED = 400
VALUE_HEAD = "value_head.safetensors"
HEAD = {"score.weight": "v_head.summary.weight", "score.bias": "v_head.summary.bias"}
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
            tensors=1, bad=not record["ok"], taught=record["kind"] != "untouched"
        )
        self.values += values
        self.looked += record["values"]
        self.changed += record["kind"] != "untouched" and not record.get("like_base", False)
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
    parts = Parts(base, export, adapter, arguments)
    tally, resized = Tally(), {}
    names = {name: base.named(name) or tied_to(name, base) for name in export.files}
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
    lacking = [name for name in base.files if not (export.named(name) or tied_to(name, export))]
    return facts(arguments, parts, tally) | {
        "resized": resized,
        "missing": lacking if whole else [],
        "extra": [name for name, source in names.items() if not source and name not in HEAD] if whole else [],
        "problems": [*base.problems, *adapter.weights.problems, *export.problems],
        "head": head_of(export, Path(arguments.adapter) / VALUE_HEAD),
    }


def head_of(export: Weights, value_head: Path) -> str:
    """What became of a reward model's head, as in the module docstring."""
    import torch
    from safetensors import safe_open

    here = [name for name in HEAD if name in export.files]
    if not value_head.is_file():
        return "unknown" if here else ""
    if len(here) < len(HEAD):
        return "lost"
    with safe_open(str(value_head), "pt") as trained:
        same = all(torch.equal(export.read(name), trained.get_tensor(HEAD[name])) for name in here)
    return "same" if same else "other"


class Parts:
    """Base, export and adapter, and the record of each tensor."""

    def __init__(
        self, base: Weights, export: Weights, adapter: LoraWeights, arguments: argparse.Namespace
    ) -> None:
        self.base, self.export, self.adapter = base, export, adapter
        self.full = arguments.method != "lora"
        self.seed = arguments.seed
        # transformers casts every weight to the configuration's dtype when it loads a model.
        self.loaded = dtype_of(Path(arguments.adapter if self.full else arguments.base))

    def record(self, name: str, source: str) -> Row:
        """Compare one tensor of the export with what the merge must give."""
        rows = min((self.export.shapes[name] or (1,))[0], (self.base.shapes[source] or (1,))[0])
        shape = (rows, *self.export.shapes[name][1:]) if self.export.shapes[name] else ()
        stretches = sampled(name, shape, self.seed)
        whole = self.adapter.replaced.get(source)
        weights, key = (self.adapter.weights, whole) if whole else (self.base, source)
        if whole and self.adapter.weights.shapes[whole][1:] != self.base.shapes[source][1:]:
            weights, key, whole = self.base, source, None
        sides = MergedRows(self.export.read(name, stretches), weights.read(key, stretches), self.loaded)
        told: Row = {"tensor": name, "file": self.export.files[name], "values": sides.export.numel()}
        updates = self.adapter.updates.get(source, [])
        if source in self.adapter.uncovered:
            same = compare_same(sides)
            return told | {"kind": "uncovered", "ok": same["finite"], "like_base": same["ok"]}
        if updates:
            both = [update.rows(self.adapter.weights, stretches) for update in updates]
            merged = compare_merged(sides, both, updates[0].rank, self._adapter_eps(updates[0].a))
            first = updates[0]
            told |= {"scale": first.scale, "alpha": first.alpha, "rank": first.rank}
            return told | {"kind": "merged", "module": first.module} | merged
        if source in self.adapter.biases:
            bias, scale = self.adapter.biases[source]
            update = self.adapter.weights.read(bias, stretches).double() * scale
            merged = compare_merged(sides, [(update, update.abs())], 1, self._adapter_eps(bias))
            return told | {"kind": "merged", "module": source, "scale": scale} | merged
        same = compare_same(sides)
        if not whole:
            return told | {"kind": "untouched"} | same
        before = compare_same(MergedRows(sides.export, self.base.read(source, stretches), self.loaded))
        return told | {"kind": "trained" if self.full else "replaced"} | same | {"like_base": before["ok"]}

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


def stored_as(weights: Weights) -> str:
    """The dtype of most tensors in a folder, as safetensors names it; "" if there are none."""
    names = Counter(weights.dtypes.values())
    return names.most_common(1)[0][0] if names else ""


if __name__ == "__main__":
    main()
