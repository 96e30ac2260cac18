"""Stands where probes/merge_check.py measures tensors: the same facts, of a model of one number.

An export that differs from what the fake trainer writes is one whose tensor is not the merge.
"""

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
for word in ("base", "adapter", "export", "method", "settings", "out"):
    parser.add_argument(f"--{word}")
options = parser.parse_args()
(weights,) = Path(options.export).glob("model*.safetensors")  # of a reward model, a shard
same = Path(options.base, "model.safetensors").read_bytes() == weights.read_bytes()
record = {"tensor": "w", "module": "w", "kind": "merged", "file": "model.safetensors", "finite": True}
record |= {"times": 9.0, "worst": 1.0, "bound": 0.1, "scale": None, "base": False}
facts = {
    "method": options.method,
    "dtypes": {"base": "F32", "loaded": "float32", "adapter": "F32", "export": "F32"},
    "seed": 0,
    "sample": 1,
    "tensors": {"merged": 1},
    "values": 1,
    "looked": 1,
    "modules": 1,
    "silent": [],
    "unmatched": [],
    "changed": 1,
    "invisible": 0,
    "scales": [2.0],
    "fit": [1.0, 1.0],
    "worst": 0.1,
    "files": {"model.safetensors": {"tensors": 1, "bad": 0 if same else 1, "taught": 1}},
    "bad": [] if same else [record],
    "bad_number": 0 if same else 1,
    "missing": [],
    "extra": [],
    "resized": {},
    "uncovered": {},
    "problems": [],
}
Path(options.out).parent.mkdir(parents=True, exist_ok=True)
Path(options.out).write_text(json.dumps(facts), encoding="utf-8")
