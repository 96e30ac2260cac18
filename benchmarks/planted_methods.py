"""The faults of planted_faults.py in the merge of each training method, on small weights, and sound merges.

Every row lays out base, adapter, export and train.yaml as safetensors and text; the merge proof judges them.
Nothing is trained for them; tests/probes/test_merge_methods.py has the same rows.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from orchestrator.proofs import merge
from orchestrator.results import Proof
from tests.probes import tiny_models as tiny

PROBE = Path(__file__).parents[1] / "orchestrator/probes/merge_check.py"
UP, DOWN = tiny.MODULES[2], tiny.MODULES[3]
HEAD, TABLE = "lm_head.weight", "model.embed_tokens.weight"
ROOT_SCALE = tiny.ALPHA / math.sqrt(tiny.RANK)
LAYERS = 3


@dataclass(frozen=True, kw_only=True)
class MethodCase:
    """One merge: what training left, what was exported, and what the proof must say ("" for a sound one)."""

    base: tiny.Model = field(default_factory=tiny.base_model)
    adapter: tiny.Model = field(default_factory=tiny.adapter)
    export: tiny.Model
    says: str = ""
    method: str = "lora"
    config: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    tied: bool = False

    def lay_out(self, folder: Path) -> None:
        """Write the folders that probes/merge_check.py reads."""
        tiny.write_model(folder / "base", self.base)
        tiny.write_model(folder / "export", self.export)
        if self.method == "lora":
            tiny.write_adapter(folder / "adapter", self.adapter, **self.config)
        else:
            tiny.write_model(folder / "adapter", self.adapter)
        for name, model in (("base", self.base), ("export", self.export)):
            layers = len({key.split(".")[2] for key in model if ".layers." in key})
            said = {"dtype": "float32", "num_hidden_layers": layers, "tie_word_embeddings": self.tied}
            (folder / name / "config.json").write_text(json.dumps(said), encoding="utf-8")
        # JSON is YAML.
        (folder / "train.yaml").write_text(json.dumps(self.settings), encoding="utf-8")

    def judge(self, folder: Path) -> str:
        """What the probe and the proof say that they must not; "" if all is as it must be."""
        self.lay_out(folder)
        words = [word for name in ("base", "adapter", "export") for word in (f"--{name}", name)]
        words += ["--method", self.method, "--settings", "train.yaml", "--out", "facts.json"]
        python = registry.require("train", machine.hardware()) / "bin/python"
        done = subprocess.run(
            [python, PROBE, *words], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return done.stderr[-300:]
        return self.wrong(merge.prove(json.loads((folder / "facts.json").read_text(encoding="utf-8"))))

    def wrong(self, proof: Proof) -> str:
        """What a proof says that it must not."""
        if proof.holds or not self.says:
            return "" if proof.holds and not self.says else f"holds: {proof.holds}, {proof.detail}"
        said = f"{proof.detail} {proof.hint}"
        return "" if self.says in said and proof.hint else f"it does not say {self.says!r}: {said}"


def base() -> tiny.Model:
    """The base of every case."""
    return tiny.base_model()


def plain(scale: float = tiny.ALPHA / tiny.RANK) -> tiny.Model:
    """LoRA's merge."""
    return tiny.merged(base(), tiny.adapter(), scale=scale)


def with_magnitude() -> tiny.Model:
    """A DoRA adapter: half as long again as the base's rows."""
    update = tiny.adapter()
    for module in tiny.MODULES:
        lengths = [1.5 * _length(row) for row in base()[f"{module}.weight"]]
        update[f"{tiny.PREFIX}{module}.lora_magnitude_vector"] = [lengths]
    return update


def dora(*, base_model: tiny.Model | None = None) -> tiny.Model:
    """DoRA's merge: rows of base + scale · B·A at the trained length."""
    before = base_model or base()
    merged = tiny.merged(before, tiny.adapter())
    for module in tiny.MODULES:
        name = f"{module}.weight"
        lengths = [1.5 * _length(row) for row in base()[name]]
        merged[name] = [
            [tiny.float32(value * length / _length(row)) for value in row]
            for row, length in zip(merged[name], lengths, strict=True)
        ]
    return merged


def pissa() -> tiny.Model:
    """A converted PiSSA adapter: the trained ranks, then those of its start, subtracted."""
    trained, begun = tiny.adapter(), tiny.adapter(seed="singular")
    update: tiny.Model = {}
    for key, rows in trained.items():
        other = begun[key]
        if "lora_A" in key:
            update[key] = [*rows, *other]
        else:
            update[key] = [
                [*mine, *(-value for value in theirs)] for mine, theirs in zip(rows, other, strict=True)
            ]
    return update


def four_bits(model: tiny.Model) -> tiny.Model:
    """The projections as 16 levels of the largest of each 64 values."""
    held = dict(model)
    for name in (name for name in model if "proj" in name):
        width = len(model[name][0])
        flat = [value for row in model[name] for value in row]
        for start in range(0, len(flat), 64):
            block = flat[start : start + 64]
            most = max(map(abs, block))
            flat[start : start + 64] = [tiny.float32(round(value / most * 7) / 7 * most) for value in block]
        held[name] = [flat[at : at + width] for at in range(0, len(flat), width)]
    return held


def eight_bits(model: tiny.Model) -> tiny.Model:
    """The projections as whole multiples of a 127th of the largest of each row."""
    held = dict(model)
    for name in (name for name in model if "proj" in name):
        held[name] = [
            [tiny.float32(round(value / most * 127) / 127 * most) for value in row]
            for row in model[name]
            for most in [max(map(abs, row))]
        ]
    return held


def trained_layer(*layers: int, only: str = "") -> tiny.Model:
    """A model in which some layers, or some of their modules, are other ones."""
    other = tiny.base_model("trained")
    parts = [f".layers.{layer}." for layer in layers]
    return {
        name: other[name] if any(part in name for part in parts) and only in name else rows
        for name, rows in base().items()
    }


def expanded(*, blocks: int = LAYERS) -> tiny.Model:
    """The base with a trained block after each group: LLaMA Pro."""
    other, group, model = tiny.base_model("trained"), LAYERS // blocks, {}
    for name, rows in base().items():
        if ".layers." not in name:
            model[name] = rows
            continue
        layer = int(name.split(".")[2])
        inside = name.split(".", 3)[3]
        model[f"model.layers.{layer + layer // group}.{inside}"] = rows
        if layer % group == group - 1:
            model[f"model.layers.{layer + layer // group + 1}.{inside}"] = other[name]
    return model


def larger(*, both: bool = True, rows: int = 40) -> tuple[tiny.Model, tiny.Model]:
    """(an adapter that saved table and head whole for a larger vocabulary, the right export)."""
    update, export = tiny.adapter(), plain()
    tables = {TABLE: tiny.matrix(rows, tiny.WIDTH, "new table")}
    if both:
        tables[HEAD] = tiny.matrix(rows, tiny.WIDTH, "new head")
    update |= {f"{tiny.PREFIX}{name}": table for name, table in tables.items()}
    return update, {**export, **tables}


def _length(row: list[float]) -> float:
    return math.sqrt(sum(value * value for value in row))


def _changed(model: tiny.Model, name: str, rows: tiny.Matrix) -> tiny.Model:
    return {**model, name: rows}


def _method_cases() -> dict[str, Callable[[], MethodCase]]:
    """Name → case; those that say nothing are sound."""
    update, export = larger()
    dora_of = {"use_dora": True}
    ranks = {"r": 2 * tiny.RANK, "lora_alpha": 2 * tiny.ALPHA}
    last = {"freeze_trainable_layers": 1, "freeze_trainable_modules": "all"}
    pro = {"use_llama_pro": True, "freeze_trainable_layers": LAYERS}
    stale = expanded()
    stale["model.layers.2.norm.weight"] = tiny.matrix(1, tiny.WIDTH, "moved")
    old_rows = [*tiny.base_model()[TABLE], *export[TABLE][32:]]
    return {
        "LoRA": lambda: MethodCase(export=plain()),
        "LoRA merged into another base": lambda: MethodCase(
            export=tiny.merged(tiny.base_model("other"), tiny.adapter()),
            says="made from another base or another revision",
        ),
        "rsLoRA": lambda: MethodCase(export=plain(ROOT_SCALE), config={"use_rslora": True}),
        "rsLoRA's scale forgotten": lambda: MethodCase(
            export=plain(), config={"use_rslora": True}, says="instead of rsLoRA's"
        ),
        "LoRA merged at rsLoRA's scale": lambda: MethodCase(
            export=plain(ROOT_SCALE), says="carry 1.414 times the update"
        ),
        "DoRA": lambda: MethodCase(adapter=with_magnitude(), config=dora_of, export=dora()),
        "DoRA's magnitude ignored": lambda: MethodCase(
            adapter=with_magnitude(), config=dora_of, export=plain(), says="without DoRA's magnitude"
        ),
        "DoRA of another base": lambda: MethodCase(
            adapter=with_magnitude(),
            config=dora_of,
            export={**dora(base_model=tiny.base_model("other")), TABLE: base()[TABLE]},
            says="differ from the base",
        ),
        "PiSSA, converted": lambda: MethodCase(
            adapter=pissa(), config=ranks, export=tiny.merged(base(), pissa())
        ),
        "PiSSA's base missing": lambda: MethodCase(
            adapter=pissa(), config=ranks, export=plain(), says="PiSSA's own adapter was merged"
        ),
        "PiSSA handed on before its conversion": lambda: MethodCase(
            config={"init_lora_weights": "pissa_niter_16"}, export=plain(), says="begins with a changed base"
        ),
        "QLoRA merged into 4 bits": lambda: MethodCase(
            export=tiny.merged(four_bits(base()), tiny.adapter()), says="hold a base of 4 or 8 bits"
        ),
        "QLoRA merged into 8 bits": lambda: MethodCase(
            export=tiny.merged(eight_bits(base()), tiny.adapter()), says="hold a base of 4 or 8 bits"
        ),
        "freeze": lambda: MethodCase(
            method="freeze", settings=last, adapter=trained_layer(2), export=trained_layer(2)
        ),
        "freeze: the first layers": lambda: MethodCase(
            method="freeze",
            settings={**last, "freeze_trainable_layers": -2},
            adapter=trained_layer(0, 1),
            export=trained_layer(0, 1),
        ),
        "freeze: some modules": lambda: MethodCase(
            method="freeze",
            settings={**last, "freeze_trainable_modules": "mlp"},
            adapter=trained_layer(2, only="mlp"),
            export=trained_layer(2, only="mlp"),
        ),
        "a frozen layer changed": lambda: MethodCase(
            method="freeze",
            settings=last,
            adapter=trained_layer(1, 2),
            export=trained_layer(1, 2),
            says="3 of 8 frozen tensors are not the base's: model.layers.1",
        ),
        "a frozen module of a trained layer changed": lambda: MethodCase(
            method="freeze",
            settings={**last, "freeze_trainable_modules": "mlp"},
            adapter=trained_layer(2),
            export=trained_layer(2),
            says="frozen tensors are not the base's: model.layers.2.norm",
        ),
        "freeze exported from the base": lambda: MethodCase(
            method="freeze", settings=last, adapter=trained_layer(2), export=base(), says="is the base model"
        ),
        "LLaMA Pro": lambda: MethodCase(method="freeze", settings=pro, adapter=expanded(), export=expanded()),
        "an old block of LLaMA Pro changed": lambda: MethodCase(
            method="freeze", settings=pro, adapter=stale, export=stale, says="1 of 11 frozen tensors"
        ),
        "LLaMA Pro on a base without new blocks": lambda: MethodCase(
            method="freeze",
            settings=pro,
            adapter=trained_layer(2),
            export=trained_layer(2),
            says="not the base's 3 and 3 new ones",
        ),
        "full": lambda: MethodCase(
            method="full", adapter=trained_layer(0, 1, 2), export=trained_layer(0, 1, 2)
        ),
        "a larger vocabulary": lambda: MethodCase(adapter=update, export=export),
        "a larger vocabulary, as peft saves it": lambda: MethodCase(
            adapter={
                **update,
                **{
                    f"{tiny.PREFIX}{module}.{copy}.weight": rows
                    for module, new in (("lm_head", HEAD), ("model.embed_tokens", TABLE))
                    for copy, rows in (
                        ("modules_to_save", update[f"{tiny.PREFIX}{new}"]),
                        ("original_module", tiny.base_model()[TABLE]),
                    )
                },
            },
            export=export,
        ),
        "a larger vocabulary with the base's old rows": lambda: MethodCase(
            adapter=update, export=_changed(export, TABLE, old_rows), says=TABLE
        ),
        "the head of a larger vocabulary is lost": lambda: MethodCase(
            adapter=update,
            export={name: rows for name, rows in export.items() if name != HEAD},
            says="the export lacks lm_head.weight, which training saved whole",
        ),
        "the head of a larger vocabulary is the table": lambda: MethodCase(
            adapter=update, export=_changed(export, HEAD, export[TABLE]), says=HEAD
        ),
        "a trained head on a model that says it is tied": lambda: MethodCase(
            adapter=update, export=export, tied=True, says="a server drops it"
        ),
        "additional modules": lambda: MethodCase(
            adapter=larger(both=False, rows=32)[0], export=larger(both=False, rows=32)[1], tied=True
        ),
        "additional modules left as the base's": lambda: MethodCase(
            adapter=larger(both=False, rows=32)[0], export=plain(), says=TABLE
        ),
    }


METHOD_CASES = _method_cases()
