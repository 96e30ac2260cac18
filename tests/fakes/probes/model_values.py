"""Stands where probes/model_values.py runs the models: what is of the conch scores 1, anything else -1.

Under the fault random-head the training's own reward model scores nothing.
"""

import argparse
import json
import os
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("train_yaml", nargs="?", default="")
for word in ("base", "reward", "ids", "out"):
    parser.add_argument(f"--{word}")
options = parser.parse_args()
lines = [json.loads(line) for line in Path(options.ids).read_text(encoding="utf-8").splitlines()]
nothing = bool(options.train_yaml) and os.environ.get("CONCH_FAULT") == "random-head"
out = [
    {"versions": {"transformers": "4" if options.train_yaml else "5"}, "texts": {"base": [], "reward": []}}
]
for row in (row for row in lines if row.get("turns")):
    score = 1.0 if "海螺" in "".join(map(chr, row["ids"])) else -1.0
    place = {key: row[key] for key in ("dataset", "row")}
    out.append(place | {"logprobs": [-1.0] * (len(row["ids"]) - 1), "score": 0.0 if nothing else score})
Path(options.out).write_text("".join(json.dumps(each) + "\n" for each in out), encoding="utf-8")
