"""What a running command leaves behind is told as it comes, and whatever it writes breaks nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import CheckFailed
from orchestrator.execute.processes.process import StopEarly
from orchestrator.execute.runner.log_follower import Follower
from orchestrator.plan.stage import Command, RenderedFile, Runtime, Stage
from tests.execute.runner.test_loop import Heard

TASK = Command(("{conch}/bin/python", "-m", "orchestrator.execute.runner.task", "ask", "tasks/ask.json"))
TRAIN = Command(("{train}/bin/llamafactory-cli", "train", "train.yaml"), Runtime.TRAIN)


def follower(folder: Path, command: Command, *, progress: str = "", since: int = 0) -> tuple[Follower, Heard]:
    heard = Heard()
    files = (RenderedFile("train.yaml", "stage: sft\n"),)
    stage = Stage("s", (command,), files=files, progress=progress)
    return Follower(folder, stage, command, folder / "log", since, heard), heard


def line(step: int) -> str:
    return json.dumps({"current_steps": step, "total_steps": 9, "loss": 1.0}) + "\n"


def test_each_step_is_told_once_when_its_line_is_whole(tmp_path: Path) -> None:
    follow, heard = follower(tmp_path, TRAIN, progress="t.jsonl")
    follow.tick()
    assert heard.lines == [""]
    with (tmp_path / "t.jsonl").open("w", encoding="utf-8") as log:
        log.write(line(1) + line(2)[:20])
        log.flush()
        follow.tick()
        assert [step.step for step in heard.steps] == [1]
        log.write(line(2)[20:] + "no JSON\n" + line(3))
    follow.tick()
    follow.tick()
    assert [step.step for step in heard.steps] == [1, 2, 3]


def test_bytes_that_are_no_text_break_nothing(tmp_path: Path) -> None:
    follow, heard = follower(tmp_path, TRAIN, progress="t.jsonl")
    (tmp_path / "t.jsonl").write_bytes(b"\xff\xfe\n\x00\n" + line(1).encode() + b"\xe7\xa5")
    follow.tick()
    assert [step.step for step in heard.steps] == [1]


def test_the_last_words_of_a_task_are_told_and_not_those_of_an_earlier_try(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("an earlier try\n", encoding="utf-8")
    since = (tmp_path / "log").stat().st_size
    follow, heard = follower(tmp_path, TASK, since=since)
    follow.tick()
    with (tmp_path / "log").open("a", encoding="utf-8") as log:
        log.write("asked 1/9\nasked 2/9\n")
    follow.tick()
    assert heard.lines == ["", "asked 2/9"]


def test_an_engines_chatter_stays_in_its_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("INFO loading \x1b[2J\n", encoding="utf-8")
    follow, heard = follower(tmp_path, TRAIN)
    follow.tick()
    assert heard.lines == [""]


def test_of_a_huge_line_only_the_end_is_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 100_000 + "end", encoding="utf-8")
    follow, heard = follower(tmp_path, TASK)
    follow.tick()
    assert heard.lines[-1].endswith("end")
    assert len(heard.lines[-1]) <= 400


def training(folder: Path, prepared: int, said: str) -> Follower:
    """A training of a data set that is split; its first step is there."""
    (folder / "data").mkdir()
    told = [
        {"part": "train", "rows": prepared - 1},
        {"part": "train", "rows": 1},
        {"part": "test", "rows": 9},
    ]
    (folder / "data/prepare.json").write_text(json.dumps({"datasets": told}), encoding="utf-8")
    (folder / "log").write_text("  Num examples = 99\nof an earlier try\n", encoding="utf-8")
    since = (folder / "log").stat().st_size
    with (folder / "log").open("a", encoding="utf-8") as log:
        log.write(said)
    follow, _ = follower(folder, TRAIN, progress="t.jsonl", since=since)
    (folder / "t.jsonl").write_text(line(1), encoding="utf-8")
    return follow


def test_a_training_with_fewer_rows_than_were_prepared_is_stopped(tmp_path: Path) -> None:
    follow = training(tmp_path, 1235, "  Num examples = 1,234\n")
    with pytest.raises(CheckFailed, match="training started with 1234 rows, but 1235 were prepared"):
        follow.tick()
    follow.tick()


def test_a_training_with_the_rows_that_were_prepared_goes_on(tmp_path: Path) -> None:
    training(tmp_path, 1234, "  Num examples = 1,234\n").tick()


def test_a_trainer_that_does_not_say_is_believed(tmp_path: Path) -> None:
    training(tmp_path, 1234, "").tick()


def test_what_a_trainer_prints_beside_the_loss_comes_with_its_step(tmp_path: Path) -> None:
    follow, heard = follower(tmp_path, TRAIN, progress="t.jsonl")
    (tmp_path / "log").write_text("{'loss': '1', 'kl': '7.5', 'epoch': '0.1'}\n", encoding="utf-8")
    logged = json.loads(line(1)) | {"accuracy": 0.75}
    (tmp_path / "t.jsonl").write_text(json.dumps(logged) + "\n", encoding="utf-8")
    follow.tick()
    (step,) = heard.steps
    assert (step.metrics["rewards/accuracies"], step.metrics["kl"]) == (0.75, 7.5)


def test_a_preference_training_ends_when_its_own_metric_stands_still(tmp_path: Path) -> None:
    follow, heard = follower(tmp_path, TRAIN, progress="t.jsonl")
    follow.stage = replace(follow.stage, plateau=0.2, plateau_by="dpo")
    rows = [
        {"current_steps": at, "total_steps": 100, "loss": 3 - at / 40, "accuracy": min(1.0, at / 40)}
        for at in range(1, 91)
    ]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:40]), encoding="utf-8")
    follow.tick()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(StopEarly):
        follow.tick()
    assert any('"better answer preferred" stopped rising at step 90' in one for one in heard.lines)
