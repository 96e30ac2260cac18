"""Stands where probes/engines/start_ppo.py trains: the fake trainer, on what a run lays out."""

import runpy
import sys
from pathlib import Path

for name in ("base/config.json", "reward/config.json", "reward/value_head.safetensors"):
    assert Path("inputs/ppo", name).is_file(), name
sys.argv.insert(1, "train")
runpy.run_path(str(Path(__file__).parents[1] / "llamafactory-cli"), run_name="__main__")
