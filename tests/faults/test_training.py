"""Faults of a training and of its export: nothing is in vain, and nothing half done is taken for whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.execute.runner.checkpoints import problem_of
from tests.execute.runner.test_checkpoints import checkpoint
from tests.small_world import SmallWorld


def test_fault_024_a_model_is_never_trained_on_nothing(small: SmallWorld) -> None:
    rows = small.project / "dataset_info/small.jsonl"
    rows.write_text('{"instruction": "你是谁", "input": "", "output": ""}\n', encoding="utf-8")
    said = small.run("sft", "small")
    assert said.code == 2
    assert "1 of 1 rows would be dropped or trained wrongly" in said.err
    entry = small.project / "dataset_info/small.yaml"
    entry.write_text(entry.read_text(encoding="utf-8") + "drop_bad: true\n", encoding="utf-8")
    said = small.run("sft", "small")
    assert said.code == 2, said.err
    assert "dataset_info/small.jsonl" in said.err
    assert not list((small.project / "runs").glob("small/*/logs/train.log"))


def test_fault_041_a_disk_that_fills_up_in_an_export(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "full-in-export")
    said = small.run("sft", "small")
    assert said.code == 4
    assert "disk full" in said.err
    run = small.last()
    assert not (run.path / "export").exists()
    assert (run.path / "export.partial-0").is_dir(), "what there is of it is kept, under a name that says so"
    record = run.stage_record("export")
    assert record is None
    monkeypatch.setenv("CONCH_FAULT", "")
    assert small.run("sft", "small").code == 0


def test_fault_057_a_trainer_that_is_killed_names_the_signal(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "oom")
    said = small.run("sft", "small")
    assert said.code == 4
    assert "killed by signal 9, SIGKILL (out of memory?)" in said.err
    assert "train.batch_size" in said.err
    assert not (small.last().path / "adapter").exists()


def test_fault_058_control_the_largest_number_is_the_torn_one(tmp_path: Path) -> None:
    for step in (20, 30):
        folder = checkpoint(tmp_path / f"checkpoint-{step}")
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}), encoding="utf-8")
    (tmp_path / "checkpoint-30/trainer_state.json").unlink()
    largest = max(tmp_path.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    assert largest.name == "checkpoint-30"
    assert problem_of(largest)
    assert problem_of(tmp_path / "checkpoint-20") == ""


def test_fault_059_an_export_that_was_being_written_never_has_its_name(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "kill-in-export")
    assert small.run("sft", "small").code == 4
    assert not (small.last().path / "export").exists()
    assert small.run("serve", "small").code == 3
    monkeypatch.setenv("CONCH_FAULT", "")
    said = small.run("sft", "small")
    assert said.code == 0
    assert "Training: skipped (inputs unchanged)" in said.err
    assert (small.last().path / "export/model.safetensors").stat().st_size > 20


def test_fault_059_control_half_an_export_looks_like_a_folder(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "kill-in-export")
    small.run("sft", "small")
    half = small.last().path / "export.partial-0"
    assert (half / "config.json").is_file()
    assert (half / "model.safetensors").is_file(), "only its name tells it from a whole one"
