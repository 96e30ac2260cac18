"""Stands where probes/answer_rewards.py runs a model: what is of the conch scores 1, anything else -1."""

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("train_yaml")
for word in ("base", "reward", "out"):
    parser.add_argument(f"--{word}")
parser.add_argument("answers", nargs="+")
options = parser.parse_args()
assert Path(options.reward, "score.safetensors").is_file()
out = []
for when, path in (word.split("=") for word in options.answers):
    for row in map(json.loads, Path(path).read_text(encoding="utf-8").splitlines()):
        score = None if row["error"] else 1.0 if "海螺" in row["predict"] else -1.0
        place = {key: row[key] for key in ("dataset", "row")}
        out.append(
            place | {"when": when, "question": row["prompt"], "score": score, "answer": row["predict"]}
        )
Path(options.out).parent.mkdir(parents=True, exist_ok=True)
Path(options.out).write_text("".join(json.dumps(each) + "\n" for each in out), encoding="utf-8")
