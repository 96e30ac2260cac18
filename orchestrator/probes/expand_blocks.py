"""The base model with new blocks for LLaMA Pro. Run by the train environment's Python.

    python expand_blocks.py --base inputs/base --blocks 2 --out expanded

A new block is a copy of the one before it, whose two output projections are zero: the model computes the same
as before, until the new blocks are trained (arXiv:2401.02415). Not covered: models whose blocks do not end in
o_proj and down_proj.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from frozen import LAYER, is_new, renamed, sources
from tokens import Row, refuse
from weights import Weights

if TYPE_CHECKING:
    from torch import Tensor

ZEROED = ("o_proj", "down_proj")
INDEX = "model.safetensors.index.json"


def main() -> None:
    """Write the folder."""
    arguments = parse_arguments()
    base, out = Path(arguments.base), Path(arguments.out)
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    layers = config.get("num_hidden_layers") or 0
    if not layers or layers % arguments.blocks:
        what = (
            f"the model has {layers} blocks, which is not a multiple of train.llama_pro: {arguments.blocks}"
        )
        fitting = ", ".join(str(number) for number in range(1, layers + 1) if layers % number == 0)
        refuse(what, str(base / "config.json"), f"set train.llama_pro to one of {fitting}")
    weights = Weights(base)
    if weights.problems:
        refuse(weights.problems[0]["what"], weights.problems[0]["file"], "fetch the base model again")
    places = sources(layers, arguments.blocks)
    out.mkdir(parents=True, exist_ok=True)
    for path in base.iterdir():
        if path.is_file() and path.suffix != ".safetensors" and path.name != INDEX:
            shutil.copyfile(path, out / path.name)
    text = json.dumps(expanded(config, places), ensure_ascii=False, indent=2)
    (out / "config.json").write_text(text, encoding="utf-8")
    write(weights, places, layers, arguments.blocks, out)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The base model with new blocks.")
    parser.add_argument("--base", required=True, help="the folder of the base model")
    parser.add_argument("--blocks", type=int, required=True, help="how many new ones")
    parser.add_argument("--out", required=True, help="the folder to write")
    return parser.parse_args()


def expanded(config: Row, places: list[int]) -> Row:
    """The configuration with more blocks; lists with a value for each block grow too."""
    layers = config["num_hidden_layers"]
    longer = {
        key: [value[place] for place in places]
        for key, value in config.items()
        if isinstance(value, list) and len(value) == layers
    }
    return config | longer | {"num_hidden_layers": len(places)}


def write(weights: Weights, places: list[int], layers: int, blocks: int, out: Path) -> None:
    """One file of weights for each of the base's; only one is in memory at a time."""
    from safetensors.torch import save_file

    index: dict[str, str] = {}
    zeroed: set[str] = set()
    for file in sorted(set(weights.files.values())):
        tensors: dict[str, Tensor] = {}
        for name in (name for name, held in weights.files.items() if held == file):
            found = LAYER.fullmatch(name)
            if not found:
                tensors[name] = weights.read(name)
                continue
            for place in (at for at, source in enumerate(places) if source == int(found[2])):
                tensor = weights.read(name).clone()
                if is_new(place, layers, blocks) and (
                    ends := [each for each in ZEROED if f".{each}." in name]
                ):
                    tensor = tensor.zero_()
                    zeroed.add(f"{place} {ends[0]}")
                tensors[renamed(name, place)] = tensor
        save_file(tensors, str(out / file), metadata={"format": "pt"})
        index |= dict.fromkeys(tensors, file)
    if len(zeroed) != blocks * len(ZEROED):
        refuse(f"its blocks have no {' and '.join(ZEROED)}", str(weights.folder), "delete train.llama_pro")
    if set(index.values()) != {"model.safetensors"}:
        (out / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": index}), encoding="utf-8")


if __name__ == "__main__":
    main()
