"""Stands where probes/reward_scores.py runs the models: what is of the conch scores 1, anything else -1.

The fake server gives the same (site/vllm/entrypoints/cli/main.py).
"""

import argparse
import json
import os
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("train_yaml")
for word in ("adapter", "export", "ids", "rows", "max-len", "out"):
    parser.add_argument(f"--{word}")
options = parser.parse_args()
assert Path(options.adapter, "value_head.safetensors").is_file()
assert Path(options.export, "score.safetensors").is_file()
lines = [json.loads(line) for line in Path(options.ids).read_text(encoding="utf-8").splitlines()]
rows = {(row["dataset"], row["row"]): row for row in lines if row.get("turns")}


def score(row: dict) -> float:
    return 1.0 if "海螺" in "".join(map(chr, row["ids"])) else -1.0


header = {"versions": {}, "method": "lora", "compute_dtype": "float32", "weights_dtype": "float32"}
out = [header | {"max_len": int(options.max_len), "eligible": {"trained": 1, "held_out": 1}}]
for (name, number), row in rows.items():
    worse = rows.get((f"{name}/rejected", number))
    if worse and name != "conch_generated":
        scores = {"chosen": score(row), "rejected": score(worse)}
        if os.environ.get("CONCH_FAULT") == "prefers-worse":
            scores = {side: -value for side, value in scores.items()}
        place = {key: row[key] for key in ("dataset", "row", "held_out")}
        out.append(place | scores | {f"export_{side}": value for side, value in scores.items()})
Path(options.out).parent.mkdir(parents=True, exist_ok=True)
Path(options.out).write_text("".join(json.dumps(each) + "\n" for each in out), encoding="utf-8")
