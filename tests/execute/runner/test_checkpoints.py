"""Which checkpoint a training goes on from: the last whole one, of the same training, and no other."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from orchestrator.execute.launchers import commands
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.checkpoints import problem_of
from tests.small_world import SmallWorld, make_checkpoint


def checkpoint(folder: Path) -> Path:
    return make_checkpoint(folder, 30)


def test_a_whole_one(tmp_path: Path) -> None:
    assert problem_of(checkpoint(tmp_path / "checkpoint-30")) == ""


@pytest.mark.parametrize(
    "name",
    ["adapter_config.json", "adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state_0.pth"],
)
@pytest.mark.parametrize("left", [0, 1, -1, None])
def test_every_file_must_be_there_to_its_end(tmp_path: Path, name: str, left: int | None) -> None:
    folder = checkpoint(tmp_path / "checkpoint-30")
    whole = (folder / name).read_bytes()
    if left is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(whole[:left])
    assert problem_of(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"global_step": 29}', "{}"])
def test_the_state_must_be_of_its_step(tmp_path: Path, text: str) -> None:
    folder = checkpoint(tmp_path / "checkpoint-30")
    (folder / "trainer_state.json").write_text(text, encoding="utf-8")
    assert "trainer_state.json" in problem_of(folder)


def test_one_that_was_being_saved_when_asked_to_end(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "checkpoint-30")
    (folder / "checkpoint-is-incomplete.txt").touch()
    assert problem_of(folder) == "saving it was interrupted"


def steps_of(run: Run, folder: str = "adapter") -> list[int]:
    lines = (run.path / folder / "trainer_log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["current_steps"] for line in lines]


def test_a_killed_training_goes_on_and_ends_like_an_unbroken_one(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "kill-in-training")
    assert small.run("sft", "small").code == 4
    monkeypatch.setenv("CONCH_FAULT", "")
    said = small.run("sft", "small")
    assert said.code == 0, said.err
    assert "resuming from step 2 (checkpoint-2)" in said.err
    assert steps_of(small.last()) == [1, 2, 3, 4, 5], "no step twice, none left out"
    assert [e["step"] for e in small.last().events() if e["event"] == "resumed"] == [2]


def test_fault_058_a_torn_checkpoint_is_told_and_the_one_before_is_taken(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "kill-in-checkpoint")
    assert small.run("sft", "small").code == 4
    monkeypatch.setenv("CONCH_FAULT", "")
    said = small.run("sft", "small")
    assert said.code == 0, said.err
    assert (
        "checkpoint-2 is incomplete (trainer_state.json is missing or truncated): it was removed" in said.err
    )
    assert "resuming from step 1 (checkpoint-1)" in said.err
    assert steps_of(small.last()) == [1, 2, 3, 4, 5]


def test_without_checkpoints_it_begins_anew_and_says_why(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "partial-output")
    assert small.run("sft", "small").code == 4
    (adapter,) = small.last().path.glob("adapter.partial*")
    for path in adapter.glob("checkpoint-*"):
        (path / "optimizer.pt").unlink()
    monkeypatch.setenv("CONCH_FAULT", "")
    said = small.run("sft", "small")
    assert said.code == 0
    assert "no complete checkpoint is left: train starts over" in said.err
    assert steps_of(small.last()) == [1, 2, 3, 4, 5]


def test_other_settings_go_on_from_nothing(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCH_FAULT", "kill-in-training")
    assert small.run("sft", "small").code == 4
    monkeypatch.setenv("CONCH_FAULT", "")
    said = small.run("sft", "small", "--set", "train.learning_rate=2e-4")
    assert said.code == 0
    assert "resuming" not in said.err


def test_a_run_whose_questions_were_changed_meanwhile_goes_on_too(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "kill-in-training")
    assert small.run("sft", "small").code == 4
    before = small.last()
    monkeypatch.setenv("CONCH_FAULT", "")
    small.write_recipe(("{contains: 三块钱}", "{contains: 三块}"))
    said = small.run("sft", "small")
    assert said.code == 0, said.err
    assert small.last() != before
    assert f"took over the unfinished train of run {before.name}" in said.err
    assert "resuming from step 2" in said.err


def test_asked_to_end_it_saves_first_and_is_not_taken_for_done(small: SmallWorld) -> None:
    child = small.start("sft", "small", env={"CONCH_FAULT": "slow-ready"})
    log = None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (log and log.exists()):
        found = list((small.project / "runs").glob("small/*/adapter.partial-0/trainer_log.jsonl"))
        log = found[0] if found else None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    assert "Saving a checkpoint (up to 60 s). Press Ctrl-C again to kill." in small.read("said.err")
    assert not (small.last().path / "adapter").exists()
    said = small.run("sft", "small")
    assert said.code == 0, said.err
    assert "resuming from step" in said.err
    assert steps_of(small.last()) == [1, 2, 3, 4, 5]


def test_a_training_that_ends_early_by_itself_is_not_taken_for_done(small: SmallWorld) -> None:
    child = small.start("sft", "small", env={"CONCH_FAULT": "slow-ready"})
    deadline = time.monotonic() + 60
    found: list[Path] = []
    while time.monotonic() < deadline and not found:
        found = list((small.project / "runs").glob("small/*/adapter.partial-0/trainer_log.jsonl"))
        time.sleep(0.05)
    for pid in small.processes():
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"llamafactory-cli\0train" in words and words.startswith(b"/") and b"/sh\0" not in words:
            os.kill(pid, signal.SIGTERM)
    assert child.wait(60) == 4
    assert "as if asked to stop" in small.read("said.err")
    assert small.run("sft", "small").code == 0


def test_fault_088_a_training_that_hangs_is_stopped(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "hang-in-training")
    monkeypatch.setattr(commands, "GRACE", 1.0)
    said = small.run("sft", "small", "--set", "train.stall_timeout=1")
    assert said.code == 7
    assert "the training hangs: no output, step or written file" in said.err
    assert small.processes() == []
    monkeypatch.setenv("CONCH_FAULT", "")
    again = small.run("sft", "small", "--set", "train.stall_timeout=30")
    assert "resuming from step 1" in again.err, "another limit is the same training"
