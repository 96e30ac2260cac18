"""Stands where probes/trainer_loss.py runs the model: every label has the same probability.

The fake server gives the same one (site/vllm/entrypoints/cli/main.py LOGPROB).
"""

import argparse
import json
import os
from pathlib import Path

LOGPROB, BASE = -0.5, -3.0
parser = argparse.ArgumentParser()
parser.add_argument("train_yaml")
for word in ("adapter", "ids", "rows", "max-len", "out"):
    parser.add_argument(f"--{word}")
options = parser.parse_args()
lines = [json.loads(line) for line in Path(options.ids).read_text(encoding="utf-8").splitlines()]
rows = [row for row in lines if row.get("turns") and row["dataset"] != "conch_generated"]
header = {"versions": {}, "method": "lora", "compute_dtype": "float32", "weights_dtype": "float32"}
header |= {"max_len": int(options.max_len), "eligible": {"trained": len(rows), "held_out": 0}}
out = [header]
for row in rows:
    turns = []
    # Training moved the model towards every answer but the worse and disliked ones, or towards those alone.
    worse = os.environ.get("CONCH_FAULT") == "prefers-worse"
    bad = row["dataset"].endswith("/rejected") or row.get("liked") is False
    base = LOGPROB if bad is not worse else BASE
    for turn in row["turns"]:
        labels = turn["end"] - turn["start"]
        turns.append({"turn": turn["turn"], "logprobs": [LOGPROB] * labels, "base_logprobs": [base] * labels})
    place = {key: row[key] for key in ("dataset", "row", "held_out")}
    out.append({**place, "loss": -LOGPROB, "base_loss": -BASE, "turns": turns})
Path(options.out).parent.mkdir(parents=True, exist_ok=True)
Path(options.out).write_text("".join(json.dumps(each) + "\n" for each in out), encoding="utf-8")
