"""Which run folder is used, what lies in it before the first stage, and what an interrupted run left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.errors import BusyError, MissingError
from orchestrator.execute.processes import process_tree
from orchestrator.execute.processes.child_environment import PROBES
from orchestrator.execute.project import discovery
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold
from orchestrator.execute.run_store.run_paths import make_private
from orchestrator.execute.runner.run_plan import run_recipe
from orchestrator.plan.job import Job
from orchestrator.plan.plan import build_plan
from orchestrator.plan.stages import STAGES as EVERY_STAGE
from orchestrator.results import StageResult
from tests.execute.runner.test_loop import Heard
from tests.small_world import SmallWorld

# Those of a recipe that scores no split, of kind sft, by LoRA.
OTHERS = ("evaluate", "general", "target", "expand", "rewards")
STAGES = [name for name in EVERY_STAGE if not name.startswith(OTHERS)]

PREPARE = ("prepare",)


def run(world: SmallWorld, *sets: str, heard: Heard | None = None) -> tuple[Path, tuple[StageResult, ...]]:
    job = job_of(world, *sets)
    progress = heard or Heard()
    return run_recipe(build_plan(job, PREPARE), job, project=world.project, progress=progress)


def job_of(world: SmallWorld, *sets: str) -> Job:
    return discovery.read_job("small", project=world.project, sets=sets)


def test_the_same_job_goes_on_in_its_folder_and_another_gets_its_own(small: SmallWorld) -> None:
    first, _ = run(small)
    again, runs = run(small)
    assert again == first
    assert [str(one.status) for one in runs] == ["skipped"]
    other, _ = run(small, "train.epochs=9")
    assert other != first
    # The former recipe again: its own folder is not the last one any more, so that "the last" stays true.
    back, _ = run(small)
    assert back not in (first, other)
    assert [folder.path for folder in Run.all(small.project, "small")] == [first, other, back]


def test_the_plan_lies_beside_what_it_makes(small: SmallWorld) -> None:
    folder, _ = run(small)
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert [stage["name"] for stage in plan["stages"]] == list(STAGES), (
        "all of the job: prove and why read it"
    )
    assert plan["headline"] == "small: training ./base on cpu (fp32)"
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    assert state["status"] == "done"
    assert folder.stat().st_mode & 0o077 == 0


def test_what_is_missing_is_said_before_a_folder_is_made(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = job_of(small)
    monkeypatch.setenv("CONCH_HOME", str(tmp_path / "empty"))
    with pytest.raises(MissingError):
        run_recipe(build_plan(job), job, project=small.project, progress=Heard())
    assert not (small.project / "runs").exists()


def test_a_recipe_is_run_by_one_at_a_time(small: SmallWorld) -> None:
    with hold(small.project, "small"), pytest.raises(BusyError):
        run(small)
    run(small)


def test_a_try_elsewhere_is_no_run_of_the_project(small: SmallWorld) -> None:
    job = job_of(small)
    home = make_private(small.project, ".parity")
    folder, _ = run_recipe(build_plan(job, PREPARE), job, project=small.project, home=home, progress=Heard())
    assert folder.is_relative_to(home)
    assert Run.last(small.project, "small") is None


def test_what_a_killed_run_left_running_is_stopped_first(small: SmallWorld) -> None:
    folder, _ = run(small)
    run_tag = f"{process_tree.run_prefix(small.project, folder)}.4194300.1"  # of an orchestrator that is dead
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={"CONCH_RUN": run_tag})
    while not process_tree.scan(process_tree.run_prefix(small.project, folder)):
        time.sleep(0.02)
    heard = Heard()
    run(small, heard=heard)
    assert left.wait(10) != 0
    assert "stopped 1 processes left by an interrupted run" in heard.lines


def test_the_probes_are_where_the_plan_says() -> None:
    assert (PROBES / "training_ids.py").is_file()
