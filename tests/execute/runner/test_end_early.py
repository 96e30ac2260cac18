"""A training whose loss stands still is ended with its result; what is read from its curve afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.reporting.read_curve import read_curve
from orchestrator.plan.stages.curve import CurveSettings
from tests.small_world import SmallWorld

# The fake trainer's loss is 3 / step: it stands still, by our measure, a little after step 40 of 100.
FLAT = ("--set", "train.plateau=0.2", "--set", "verify.base=false")
STEPS = 100


def curve(world: SmallWorld) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((world.last().path / "curve.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def long_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCH_FAKE_STEPS", str(STEPS))


@pytest.mark.usefixtures("long_training")
def test_a_flat_loss_ends_the_training_and_the_model_is_made_of_it(small: SmallWorld) -> None:
    said = small.run("run", "small", *FLAT)
    assert said.code == 0, said.err
    assert "The loss stopped falling at step" in said.err
    assert "checks      2 of 2 passed" in said.out
    found = curve(small)
    assert (found["kind"], found["ended"]) == ("flat", "flat")
    assert 40 <= found["step"] < 90
    assert "ended early" in said.out
    again = small.run("run", "small", *FLAT)
    assert "Training: skipped (inputs unchanged)" in again.err


@pytest.mark.usefixtures("long_training")
def test_a_trainer_that_says_it_failed_when_asked_to_end_is_closed_in_one_step(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "fail-when-asked")
    said = small.run("sft", "small", *FLAT)
    assert said.code == 0, said.err
    log = (small.last().path / "adapter/trainer_log.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line)["current_steps"] for line in log]
    assert steps == list(range(1, len(steps) + 1))
    assert json.loads(log[-1])["total_steps"] == steps[-1]
    assert 40 <= steps[-1] < 95


@pytest.mark.usefixtures("long_training")
def test_without_a_plateau_it_trains_to_its_end(small: SmallWorld) -> None:
    said = small.run("sft", "small")
    assert said.code == 0, said.err
    assert (curve(small)["step"], curve(small)["ended"]) == (STEPS, "")


def test_a_plateau_without_checkpoints_is_refused_with_its_place(small: SmallWorld) -> None:
    said = small.run("plan", "small", "--set", "train.plateau=0.2", "--set", "train.save_steps=0")
    assert said.code == 2
    assert "train.plateau: a training without checkpoints cannot end early" in said.err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("train.early_stopping=2",), "the recipe's data has no validation rows"),
        (
            ("train.early_stopping=2", "data.validation_share=0.25", "train.save_steps=0"),
            "no best one to return to",
        ),
    ],
)
def test_an_early_stop_that_has_nothing_to_go_by_is_refused(
    small: SmallWorld, settings: tuple[str, ...], words: str
) -> None:
    said = small.run("plan", "small", *(word for one in settings for word in ("--set", one)))
    assert said.code == 2
    assert words in said.err


def test_an_early_stop_is_told_to_the_trainer(small: SmallWorld) -> None:
    said = small.run(
        *("plan", "small", "--set", "train.early_stopping=2", "--set", "data.validation_share=0.25", "--json")
    )
    (train,) = [one for one in said.envelope["data"]["plan"]["stages"] if one["name"] == "train"]
    text = train["files"][0]["text"]
    for line in (
        "early_stopping_steps: 2",
        "load_best_model_at_end: true",
        "metric_for_best_model: eval_loss",
    ):
        assert f"\n{line}\n" in text
    assert "\nsave_steps: 0.1\n" in text
    assert "\neval_steps: 0.1\n" in text


def test_a_log_that_is_not_there_is_too_short_to_judge(tmp_path: Path) -> None:
    assert read_curve(CurveSettings(log="adapter/trainer_log.jsonl", plateau=0, out="c.json"), tmp_path) == 0
    assert json.loads((tmp_path / "c.json").read_text())["kind"] == "short"


def test_the_metrics_of_the_kind_are_in_the_verdict(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    steps = range(1, 13)
    log = [{"current_steps": at, "total_steps": 12, "loss": 0.7 / at} for at in steps]
    (adapter / "trainer_log.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in log), encoding="utf-8"
    )
    history = [{"step": at, "rewards/margins": float(at), "kl": 3.0} for at in steps]
    (adapter / "trainer_state.json").write_text(json.dumps({"log_history": history}), encoding="utf-8")
    names = {"log": "adapter/trainer_log.jsonl", "state": "adapter/trainer_state.json", "out": "c.json"}
    assert read_curve(CurveSettings(**names, plateau=0, kind="kto"), tmp_path) == 0
    found = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert [one["key"] for one in found["metrics"]] == ["rewards/margins", "kl"]
    assert "reward margin 1 → 12" in found["sentence"]
    assert "奖励差值 1 → 12" in found["sentence_zh"]
