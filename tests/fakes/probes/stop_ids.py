"""Stands where probes/stop_ids.py asks vLLM: the letters' tokenizer ends at its eos, 2."""

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
for word in ("model", "config", "out"):
    parser.add_argument(f"--{word}")
options = parser.parse_args()
said = {"eos_token_id": [2], "eos_token": ""}
facts = {
    "versions": {},
    "model": options.model,
    "stop_ids": [2],
    "eos_token_id": 2,
    "tokens": {"2": "<eos>"},
    **{
        name: {"file": f"{name}.json", **said} for name in ("generation_config", "config", "tokenizer_config")
    },
}
Path(options.out).parent.mkdir(parents=True, exist_ok=True)
Path(options.out).write_text(json.dumps(facts), encoding="utf-8")
