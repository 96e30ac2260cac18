"""The curves of a training and the lengths of its data, from long files: whole, truncated, resumed, large."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.reporting import run_facts
from orchestrator.execute.reporting.run_facts import data_of, training_of
from tests.run_world import STEPS, make_run


def test_the_course_is_read_as_series(tmp_path: Path) -> None:
    told = training_of(make_run(tmp_path).path / "adapter")
    assert told is not None
    assert [len(told[name]) for name in ("losses", "rates", "validations")] == [STEPS, STEPS, 4]
    assert told["steps"] == STEPS
    assert told["seconds"] == 220
    assert told["vram_allocated"][0] == [1, 9.5]
    assert told["summed"] == {"train_samples_per_second": 14.2, "train_runtime": 230.1}


def test_steps_written_twice_count_once_and_what_is_no_number_is_counted_apart(tmp_path: Path) -> None:
    rows = [(1, 3.0), (2, 2.0), (3, 9.0), (2, 1.5), (3, float("nan"))]
    lines = [json.dumps({"current_steps": step, "total_steps": 3, "loss": loss}) for step, loss in rows]
    (tmp_path / "trainer_log.jsonl").write_text(
        "\n".join([*lines, '{"current_steps": 3, "tot']), encoding="utf-8"
    )
    told = training_of(tmp_path)
    assert told is not None
    assert told["losses"] == [[1, 3.0], [2, 1.5]]
    assert told["not_finite"] == 1


def test_without_a_log_there_is_no_training(tmp_path: Path) -> None:
    assert training_of(tmp_path) is None
    assert data_of(tmp_path) == []


def test_the_data_is_counted(tmp_path: Path) -> None:
    told: Any
    (told,) = data_of(make_run(tmp_path).path)
    assert (told["name"], told["rows"], told["answers"], told["counted"]) == ("shells", 2, 2, 2)
    assert told["tokens"]["most"] == 20
    assert told["characters"]["answer"]["most"] == 7
    assert sum(told["languages"].values()) == 2


def test_of_a_large_data_set_the_first_rows_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    monkeypatch.setattr(run_facts, "MOST", 1)
    (run.path / "proofs/data/training_ids.jsonl").unlink()
    (told,) = data_of(run.path)
    assert (told["counted"], told["rows"], told["tokens"]) == (1, 2, None)


def test_metrics_of_the_kind_are_series_of_the_trainer_s_state(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    named = [
        {"key": "rewards/margins", "name": "reward margin", "name_zh": "奖励差值"},
        {"key": "kl", "name": "KL"},
    ]
    (run.path / "curve.json").write_text(json.dumps({"metrics": named}), encoding="utf-8")
    history = [{"step": at, "rewards/margins": at / 2} for at in (1, 2, 3)]
    (run.path / "adapter/trainer_state.json").write_text(
        json.dumps({"log_history": history}), encoding="utf-8"
    )
    told = training_of(run.path / "adapter")
    assert told is not None
    margin, kl = told["metrics"]
    assert margin["points"] == [[1, 0.5], [2, 1.0], [3, 1.5]]
    assert kl["points"] == []
