"""What there is to see of a run: read from made-up folders, without an engine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestrator.execute.host import machine
from orchestrator.execute.host.gpu import Load
from orchestrator.execute.processes import process_tree
from orchestrator.execute.reporting.watch import Watcher, thinned
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold
from orchestrator.results import StageResult, Status
from tests.execute.host.test_gpu import nvidia_smi


def begun(project: Path, *, done: float = 2.0) -> Run:
    """A run whose `fetch` is done and whose `train` runs."""
    run = Run.create(project, "conch")
    run.begin("a headline", identity="x", plan="fetch train export")
    run.end_stage(StageResult("fetch", Status.DONE, seconds=done), "key")
    run.begin_stage("train", "key")
    return run


def write_log(run: Run, *rows: dict[str, object]) -> None:
    path = run.path / "adapter.partial-0/trainer_log.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def step(number: int, **more: object) -> dict[str, object]:
    return {"current_steps": number, "total_steps": 10, "loss": 3 / number, "lr": 1e-3, **more}


def test_a_training_is_seen(project: Path) -> None:
    run = begun(project)
    write_log(run, step(1), step(2, elapsed_time="0:00:10", remaining_time="0:00:40"))
    (run.path / "logs").mkdir()
    (run.path / "logs/train.log").write_bytes("开始\n\n 1%|\r 2%|█\n 3%|\r 4%|\r".encode())
    with hold(project, "conch"):
        seen = Watcher(run).look()
    assert (seen.standing, seen.over, seen.exit_code) == ("running", False, None)
    assert [(one.name, one.status) for one in seen.stages] == [
        ("fetch", "done"),
        ("train", "running"),
        ("export", "waiting"),
    ]
    assert seen.losses == (3.0, 1.5)
    assert seen.left is not None
    assert 30 < seen.left <= 40
    assert seen.whole_left is None, "no earlier run tells how long an export takes"
    assert (seen.log, seen.lines) == ("train", ("开始", " 2%|█", " 4%|"))
    assert json.loads(json.dumps(seen.to_json()))["step"]["step"] == 2


def test_earlier_runs_tell_how_long_the_rest_takes(project: Path) -> None:
    earlier = begun(project)
    earlier.end_stage(StageResult("train", Status.DONE, seconds=100.0), "key")
    earlier.end_stage(StageResult("export", Status.DONE, seconds=50.0), "key")
    earlier.end(0)
    run = begun(project)
    write_log(run, step(5, elapsed_time="0:00:10"))
    with hold(project, "conch"):
        run.begin("a headline", identity="x", plan="fetch train export")
        seen = Watcher(run).look()
    assert seen.left is not None
    assert seen.whole_left == pytest.approx(seen.left + 50, abs=0.1)


def test_a_resumed_training_promises_no_more_than_its_own_pace(project: Path) -> None:
    run = begun(project)
    run.append_event({"event": "resumed", "stage": "train", "step": 4})
    write_log(run, step(5, elapsed_time="0:01:00", remaining_time="0:00:12"))
    with hold(project, "conch"):
        seen = Watcher(run).look()
    assert seen.left is not None
    assert 290 < seen.left <= 300


def test_a_run_that_was_killed_is_interrupted(project: Path) -> None:
    seen = Watcher(begun(project)).look()
    assert (seen.standing, seen.over) == ("interrupted", True)
    assert seen.stages[1].status == "interrupted"
    assert (seen.memory_gb, seen.left) == (0.0, None)


def test_what_is_no_number_is_null_for_machines(project: Path) -> None:
    run = begun(project)
    write_log(run, {**step(1), "loss": float("nan")})
    told = json.dumps(Watcher(run).look().to_json(), allow_nan=False)
    assert json.loads(told)["step"]["loss"] is None


@pytest.mark.parametrize("file", ["state.json", "events.jsonl", "adapter.partial-0/trainer_log.jsonl"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"[1]\n", b'{"stages": {}}'])
def test_broken_files_are_passed_over(project: Path, file: str, content: bytes) -> None:
    run = begun(project)
    write_log(run, step(1))
    (run.path / file).write_bytes(content)
    assert Watcher(run).look().run == run.name


def test_the_gpu_is_seen_and_asked_only_now_and_then(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(project)
    monkeypatch.setattr(machine, "hardware", lambda: "cuda")
    nvidia_smi(tmp_path / "bin", monkeypatch, "NVIDIA H100, 1024, 81559, 55")
    with hold(project, "conch"):
        watcher = Watcher(run)
        assert watcher.look().gpus == (Load("NVIDIA H100", 1024, 81559, 55),)
        nvidia_smi(tmp_path / "bin", monkeypatch, "NVIDIA H100, 9999, 81559, 55")
        assert watcher.look().gpus[0].used_mib == 1024


def test_memory_is_that_of_the_processes_together() -> None:
    mine = process_tree.memory_bytes([os.getpid()])
    assert 10e6 < mine < 10e9
    assert process_tree.memory_bytes([os.getpid(), 2**22 + 1]) == pytest.approx(mine, rel=0.1)
    assert process_tree.memory_bytes([]) == 0


def test_a_curve_keeps_its_course() -> None:
    assert thinned([float(n) for n in range(1000)], 4) == (124.5, 374.5, 624.5, 874.5)
    assert thinned([], 4) == ()


def test_the_metrics_of_a_kind_are_seen_live(project: Path) -> None:
    """The share of preferred answers is in the trainer's log; the others are in what it prints."""
    run = begun(project)
    write_log(run, step(1, accuracy=0.0), step(2, accuracy=0.75))
    (run.path / "logs").mkdir()
    printed = "{'loss': '1.5', 'rewards/margins': '2.5', 'grad_norm': '9', 'epoch': '1'}\n"
    (run.path / "logs/train.log").write_text(printed, encoding="utf-8")
    seen = Watcher(run).look()
    assert seen.metrics == {"rewards/accuracies": 0.75, "rewards/margins": 2.5}
    assert seen.metric_courses == {"rewards/accuracies": (0.0, 0.75)}
    assert seen.to_json()["metrics"]["rewards/margins"] == 2.5
