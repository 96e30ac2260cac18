"""PPO with the real engines: planted faults are named before the training, the shipped chain runs whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.execute.environments import build

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.soak


@pytest.fixture(autouse=True)
def environment() -> None:
    """The environment of PPO, which nothing else builds."""
    build.sync("ppo", "cpu", print)


def test_planted_faults_are_named_before_anything_is_trained() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.planted_ppo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 faults and 3 sound set-ups, 0 judged wrongly" in done.stdout


def test_the_shipped_chain_runs_whole_and_measures_the_mean_reward(tmp_path: Path) -> None:
    for part in ("recipes", "dataset_info", "chat_templates"):
        (tmp_path / part).symlink_to(ROOT / part)
    conch = Path(sys.executable).with_name("conch")
    done = subprocess.run(
        [conch, "run", "conch_ppo", "--hardware", "cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (tmp_path / "runs/conch_ppo").glob("2*")
    gain = json.loads((run / "proofs/reward/gain.json").read_text(encoding="utf-8"))["numbers"]
    assert gain["prompts"] == 16
    # Twelve steps on a model of 135 M: the mean rose by 0.05, and its interval includes 0.
    assert gain["gain_low"] <= gain["gain"] <= gain["gain_high"]
    print(f"conch_ppo: mean reward {gain['before']} before, {gain['after']} after")  # noqa: T201  for docs/soak.md
