"""A training as Conch starts it against the bare `llamafactory-cli`: same settings, side by side, in turns.

    .venv/bin/python -m benchmarks.train_speed RUN [--steps 8] [--rounds 3]

RUN is the folder of a finished run; its train.yaml is what both train, for a few steps. Both get
LLaMA-Factory's own environment; Conch adds what it always adds to a child of that environment. Prints the
median of the trainer's own seconds (train_runtime) and of the processor seconds of the whole process, first
with nothing else to do, then beside one process that keeps one core busy. Exits 1 when Conch is slower than
the bare command on an idle machine, or less than twice as fast beside the busy process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import yaml

from orchestrator.execute.environments import registry
from orchestrator.execute.processes.child_environment import child_environment
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import read_plan

IDLE, BUSY = 1.0, 2.0
# What a shell on this machine gives a program, without anything about threads or memory.
BARE = ("PATH", "HOME", "LANG")


def main() -> int:
    """Train in turns, print the table; the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    run = given.run.resolve()
    command = read_plan(Run(run.parents[2], run.parent.name, run.name)).stage("train").commands[0]
    folder = str(registry.require("train", "cpu"))
    ours = child_environment(command, run_tag="benchmark", symbols={"train": folder})
    bare = {name: os.environ[name] for name in BARE if name in os.environ}
    bare |= {"PATH": f"{folder}/bin:{bare['PATH']}", "HF_HUB_OFFLINE": "1"}
    ratios = []
    for title, busy in (("idle", False), ("beside a busy process", True)):
        seconds: dict[str, list[tuple[float, float]]] = {"conch": [], "bare": []}
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
        try:
            for _ in range(given.rounds):
                for name, env in (("bare", bare), ("conch", ours)):
                    seconds[name].append(_train(run, folder, env, given.steps))
        finally:
            if other:
                other.kill()
                other.wait()
        wall = {name: median(one[0] for one in all_of) for name, all_of in seconds.items()}
        cpu = {name: median(one[1] for one in all_of) for name, all_of in seconds.items()}
        ratios.append(wall["bare"] / wall["conch"])
        print(
            f"{title:<24}bare {wall['bare']:7.1f} s ({cpu['bare']:.0f} CPU s)"
            f"   conch {wall['conch']:7.1f} s ({cpu['conch']:.0f} CPU s)   {ratios[-1]:.2f} ×",
            flush=True,
        )
    return 0 if ratios[0] >= IDLE and ratios[1] >= BUSY else 1


def _train(run: Path, train: str, env: Mapping[str, str], steps: int) -> tuple[float, float]:
    """(seconds of the trainer's loop by its own clock, processor seconds of the whole process)."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = yaml.safe_load((run / "train.yaml").read_text(encoding="utf-8"))
        settings |= {"output_dir": f"{scratch}/out", "max_steps": steps, "save_strategy": "no"}
        file = Path(scratch, "train.yaml")
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        before = os.times()
        words = [f"{train}/bin/llamafactory-cli", "train", str(file)]
        done = subprocess.run(words, cwd=run, env=env, capture_output=True, text=True, check=False)
        after = os.times()
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        results = json.loads(Path(scratch, "out/all_results.json").read_text(encoding="utf-8"))
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return float(results["train_runtime"]), cpu


if __name__ == "__main__":
    sys.exit(main())
