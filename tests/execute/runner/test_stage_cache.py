"""What an earlier run made is taken over when it is the same and whole, and else made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.execute.run_store.fingerprint import fingerprint
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.stage_cache import adopt
from orchestrator.plan.stage import Stage
from orchestrator.results import StageResult, Status

STAGE = Stage("train", outputs=("adapter", "notes.txt"))


def made(project: Path, *, key: str = "key", status: Status = Status.DONE, text: str = "weights") -> Run:
    run = Run.create(project, "r")
    (run.path / "adapter/inner").mkdir(parents=True)
    (run.path / "adapter/inner/a").write_text(text, encoding="utf-8")
    (run.path / "notes.txt").write_text("海螺", encoding="utf-8")
    outputs = {name: fingerprint(run.path / name) for name in STAGE.outputs}
    run.end_stage(StageResult("train", status, outputs=outputs), key)
    return run


def test_the_newest_run_with_the_same_key_is_taken_from(tmp_path: Path) -> None:
    made(tmp_path)
    newest = made(tmp_path, text="newer")
    here = Run.create(tmp_path, "r")
    assert newest.name in adopt(STAGE, "key", here)
    assert (here.path / "adapter/inner/a").read_text(encoding="utf-8") == "newer"
    assert fingerprint(here.path / "adapter") == fingerprint(newest.path / "adapter")
    assert (here.path / "notes.txt").read_text(encoding="utf-8") == "海螺"


def test_what_is_replaced_here_stays_there(tmp_path: Path) -> None:
    first, here = made(tmp_path), Run.create(tmp_path, "r")
    adopt(STAGE, "key", here)
    (here.path / "notes.txt").write_text("changed", encoding="utf-8")
    (here.path / "adapter/inner/a").unlink()
    assert (first.path / "notes.txt").read_text(encoding="utf-8") == "海螺"
    assert (first.path / "adapter/inner/a").read_text(encoding="utf-8") == "weights"


def test_half_of_an_earlier_attempt_does_not_stay(tmp_path: Path) -> None:
    made(tmp_path)
    here = Run.create(tmp_path, "r")
    (here.path / "adapter").mkdir()
    (here.path / "adapter/old").touch()
    assert adopt(STAGE, "key", here)
    assert not (here.path / "adapter/old").exists()


@pytest.mark.parametrize("why", ["key", "status", "changed", "gone", "link", "other recipe", "alone"])
def test_else_nothing_is_taken(tmp_path: Path, why: str) -> None:
    status = Status.REFUTED if why == "status" else Status.DONE
    if why != "alone":
        other = made(tmp_path, key="another" if why == "key" else "key", status=status)
        if why == "changed":
            (other.path / "adapter/inner/a").write_text("WEIGHTS", encoding="utf-8")
        if why == "gone":
            (other.path / "notes.txt").unlink()
        if why == "link":
            (other.path / "adapter/base").symlink_to(tmp_path)
    here = Run.create(tmp_path, "s" if why == "other recipe" else "r")
    assert adopt(STAGE, "key", here) == ""
    assert list(here.path.iterdir()) == []


def test_a_stage_that_makes_nothing_is_run(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "r")
    run.end_stage(StageResult("look", Status.DONE), "key")
    assert adopt(Stage("look"), "key", Run.create(tmp_path, "r")) == ""
