"""Tiny models, adapters and exports as safetensors, written by hand: no engine is needed to make them.

A model is {tensor: rows}; a norm is one row, written as a vector. Values are what float32 holds.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

Matrix = list[list[float]]
Model = dict[str, Matrix]

WIDTH = 24
INNER = 40
RANK = 2
ALPHA = 8.0
PREFIX = "base_model.model."
VECTORS = ("norm.weight", "lora_magnitude_vector")
MODULES = tuple(f"model.layers.{layer}.mlp.{name}" for layer in range(3) for name in ("up_proj", "down_proj"))


def float32(value: float) -> float:
    """The nearest float32."""
    found: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return found


def bfloat16(value: float) -> bytes:
    """The nearest bfloat16, ties to even, as its two bytes."""
    bits: int = struct.unpack("<I", struct.pack("<f", value))[0]
    return struct.pack("<H", ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF)


WRITE = {
    "F32": lambda value: struct.pack("<f", value),
    "F16": lambda value: struct.pack("<e", value),
    "BF16": bfloat16,
}


def matrix(rows: int, columns: int, seed: str, size: float = 0.1) -> Matrix:
    """Numbers drawn with a seed."""
    draw = random.Random(seed)  # noqa: S311
    return [[float32(draw.gauss(0, size)) for _ in range(columns)] for _ in range(rows)]


def base_model(seed: str = "base") -> Model:
    """Three layers of two projections and a norm, a table, a last norm; the head is tied."""
    model: Model = {"model.embed_tokens.weight": matrix(32, WIDTH, f"{seed} table")}
    for layer in range(3):
        inside = f"model.layers.{layer}"
        model[f"{inside}.mlp.up_proj.weight"] = matrix(INNER, WIDTH, f"{seed} up {layer}")
        model[f"{inside}.mlp.down_proj.weight"] = matrix(WIDTH, INNER, f"{seed} down {layer}")
        model[f"{inside}.norm.weight"] = matrix(1, WIDTH, f"{seed} norm {layer}")
    model["model.norm.weight"] = matrix(1, WIDTH, f"{seed} norm")
    return model


def adapter(modules: Sequence[str] = MODULES, seed: str = "adapter", size: float = 0.1) -> Model:
    """A and B of these modules."""
    parts: Model = {}
    for module in modules:
        out, into = (INNER, WIDTH) if module.endswith("up_proj") else (WIDTH, INNER)
        parts[f"{PREFIX}{module}.lora_A.weight"] = matrix(RANK, into, f"{seed} A {module}", size)
        parts[f"{PREFIX}{module}.lora_B.weight"] = matrix(out, RANK, f"{seed} B {module}", size)
    return parts


def merged(base: Model, update: Model, scale: float = ALPHA / RANK, but: Sequence[str] = ()) -> Model:
    """The base with every update but some added, as a right export holds it."""
    model = dict(base)
    for key, b in update.items():
        module = key.removeprefix(PREFIX).removesuffix(".lora_B.weight")
        if not key.endswith("lora_B.weight") or module in but:
            continue
        a = update[f"{PREFIX}{module}.lora_A.weight"]
        model[f"{module}.weight"] = add(model[f"{module}.weight"], product(b, a), scale)
    return model


def product(left: Matrix, right: Matrix) -> Matrix:
    """The matrix product."""
    columns = list(zip(*right, strict=True))
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in left]


def add(weight: Matrix, update: Matrix, scale: float) -> Matrix:
    """Weight + scale · update, in float32."""
    return [
        [float32(old + scale * new) for old, new in zip(row, more, strict=True)]
        for row, more in zip(weight, update, strict=True)
    ]


def write(path: Path, model: Mapping[str, Matrix], dtype: str = "F32") -> None:
    """A safetensors file."""
    header: dict[str, object] = {}
    data = b""
    for name, rows in model.items():
        flat = b"".join(WRITE[dtype](value) for row in rows for value in row)
        shape = [len(rows[0])] if name.endswith(VECTORS) else [len(rows), len(rows[0])]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(flat)]}
        data += flat
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_model(folder: Path, model: Model, dtype: str = "F32", *, shards: int = 1) -> None:
    """A model's folder: config.json, and one file or several with their index."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    named = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[dtype]
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "dtype": named}), encoding="utf-8")
    if shards == 1:
        write(folder / "model.safetensors", model, dtype)
        return
    names, index = list(model), dict[str, str]()
    size = -(-len(names) // shards)
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = {name: model[name] for name in names[number * size : (number + 1) * size]}
        write(folder / file, part, dtype)
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}), encoding="utf-8")


def write_adapter(folder: Path, update: Model, **config: object) -> None:
    """An adapter's folder."""
    write(folder / "adapter_model.safetensors", update)
    said = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA} | config
    (folder / "adapter_config.json").write_text(json.dumps(said), encoding="utf-8")


def turned(rows: Matrix) -> Matrix:
    """The transposed matrix."""
    return [list(column) for column in zip(*rows, strict=True)]


def round_model(model: Model) -> Model:
    """Every value as bfloat16 holds it."""

    def held(value: float) -> float:
        found: float = struct.unpack("<f", b"\0\0" + bfloat16(value))[0]
        return found

    return {name: [[held(value) for value in row] for row in rows] for name, rows in model.items()}
