"""A trainer's log read while it grows: torn lines, a resumption, another training."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.execute.run_store.training_log import Course


def line(step: int, **more: object) -> str:
    return json.dumps({"current_steps": step, "total_steps": 9, **more}) + "\n"


def test_it_is_read_as_it_grows(tmp_path: Path) -> None:
    path, course = tmp_path / "trainer_log.jsonl", Course()
    course.read(path)
    assert course.newest is None
    path.write_text(line(1, loss=3.0, lr=0.1) + line(2, loss=2.0)[:20], encoding="utf-8")
    course.read(path)
    assert course.losses == [(1, 3.0)]
    path.write_text(line(1, loss=3.0, lr=0.1) + line(2, loss=2.0) + line(2, eval_loss=2.5), encoding="utf-8")
    course.read(path)
    assert (course.losses, course.validations) == ([(1, 3.0), (2, 2.0)], [(2, 2.5)])
    assert course.newest is not None
    assert course.newest.loss == 2.0, "a validation does not hide the last loss"
    assert course.written == path.stat().st_mtime


def test_steps_that_were_done_again_count_once(tmp_path: Path) -> None:
    path, course = tmp_path / "trainer_log.jsonl", Course()
    rows = [line(n, loss=float(n)) for n in (1, 2, 3)] + [line(3, eval_loss=9.0), line(2, loss=2.5)]
    path.write_text("".join(rows), encoding="utf-8")
    course.read(path)
    assert (course.losses, course.validations) == ([(1, 1.0), (2, 2.5)], [])


def test_another_training_begins_anew(tmp_path: Path) -> None:
    path, course = tmp_path / "trainer_log.jsonl", Course()
    path.write_text(line(1, loss=3.0) + line(2, loss=2.0), encoding="utf-8")
    course.read(path)
    fresh = tmp_path / "fresh"
    fresh.write_text(line(1, loss=7.0), encoding="utf-8")
    fresh.replace(path)
    course.read(path)
    assert course.losses == [(1, 7.0)]
