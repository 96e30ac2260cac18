"""`conch run --until target` in a small world: it tries until it is met, goes on where it was, and ends."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

from tests.small_world import SmallWorld

SWEEP = """\
target: {checks: 0.95}
sweep:
  settings:
    train.learning_rate: [1.0e-5, 1.0e-4, 1.0e-3]
"""
# The fake trainer learns half of the rows below this rate: the first two settings miss.
RATE = "5e-4"
UNTIL = ("run", "small", "--until", "target")


@pytest.fixture
def sweeping(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> SmallWorld:
    monkeypatch.setenv("CONCH_FAKE_RATE", RATE)
    small.write_recipe(("verify:\n", f"{SWEEP}verify:\n  base: false\n  paraphrases: false\n"))
    return small


def trials(world: SmallWorld) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(world.read("runs/small/trials.json"))["trials"]
    return found


def test_a_recipe_whose_first_two_settings_miss_reaches_its_target(sweeping: SmallWorld) -> None:
    said = sweeping.run(*UNTIL, "--json")
    assert said.code == 0, said.err
    data = said.envelope["data"]
    assert [(one["status"], one["score"] == 1.0) for one in data["trials"]] == [
        ("missed", False),
        ("missed", False),
        ("met", True),
    ]
    assert data["best"] == 3
    assert data["folder"].endswith(data["trials"][2]["run"])
    assert data["target"]["met"]
    assert len({one["run"] for one in data["trials"]}) == 3, "every trial is a run"
    assert "trial 1: train.learning_rate=1e-05" in said.err
    # Nothing is left to do, and nothing is done.
    again = sweeping.run(*UNTIL)
    assert again.code == 0
    assert "trial 1" not in again.err
    assert "Trial 3 met the target." in again.out
    assert "  train.learning_rate: 0.001" in again.out


def test_interrupted_it_goes_on_with_the_same_trial(sweeping: SmallWorld) -> None:
    one = SWEEP.replace("1.0e-5, 1.0e-4, 1.0e-3", "1.0e-3")
    sweeping.write_recipe(("verify:\n", f"{one}verify:\n  base: false\n  paraphrases: false\n"))
    env = {"CONCH_FAULT": "slow-ready", "CONCH_FAKE_STEPS": "60", "CONCH_FAKE_RATE": RATE}
    child = sweeping.start(*UNTIL, env=env)
    deadline = time.monotonic() + 60
    while "loss" not in sweeping.read("said.err") and time.monotonic() < deadline:
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    (stopped,) = trials(sweeping)
    assert (stopped["status"], stopped["number"]) == ("running", 1)
    assert stopped["minutes"] > 0
    assert sweeping.processes() == []
    said = sweeping.run(*UNTIL)
    assert said.code == 0, said.err
    assert "resuming from step" in said.err
    first, *_ = trials(sweeping)
    assert first["run"] == stopped["run"]
    assert first["minutes"] > stopped["minutes"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("target={checks: null}",), "the recipe has no target to try settings for"),
        (("sweep.settings={train.learning_rate: [1e-3, -1, fast]}",), "sweep.settings.train.learning_rate"),
        (("sweep.settings={train.learing_rate: [1]}",), 'did you mean "learning_rate"?'),
    ],
)
def test_what_cannot_be_tried_is_said_before_anything_is_done(
    sweeping: SmallWorld, settings: tuple[str, ...], words: str
) -> None:
    said = sweeping.run(*UNTIL, *(word for one in settings for word in ("--set", one)))
    assert said.code == 2, said.err + said.out
    assert words in said.err
    assert not (sweeping.project / "runs/small/trials.json").exists()


def test_a_recipe_without_a_target_has_nothing_to_run_until(small: SmallWorld) -> None:
    said = small.run(*UNTIL)
    assert said.code == 2
    assert "small has no target to run until" in said.err
    assert "write one, e.g. target: {checks: 0.95}" in said.err
