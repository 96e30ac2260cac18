"""All that is missing is said at once, before the first second of work."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.environments import registry
from orchestrator.execute.environments.preflight import preflight
from orchestrator.plan.plan import PARITY, build_plan
from orchestrator.plan.stage import Command, Runtime, Plan, Service, Stage
from tests.plan.test_plan import job_of

JOB = job_of("magic_conch", "cpu")


def make(name: str, hardware: str = "cpu") -> Path:
    folder = registry.environment_folder(name, hardware)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").touch()
    return folder


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    usage = SimpleNamespace(free=10**13)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    return usage


def test_what_is_there_becomes_the_symbols(tmp_path: Path, disk: SimpleNamespace) -> None:
    train, serve = make("train"), make("serve")
    places = preflight(build_plan(JOB, PARITY), JOB, project=tmp_path)
    assert places == {"train": str(train), "serve": str(serve)}


def test_all_that_is_missing_is_said_at_once(tmp_path: Path, disk: SimpleNamespace) -> None:
    disk.free = 10**8
    with pytest.raises(MissingError) as caught:
        preflight(build_plan(JOB), JOB, project=tmp_path)
    whats = [problem.what for problem in caught.value.problems]
    assert [what.split(" is")[0] for what in whats[:2]] == [
        "the serve environment for cpu",
        "the train environment for cpu",
    ]
    assert whats[2].startswith("0.1 GB are free, a run needs at least 1.9 GB")


def test_only_what_the_plan_uses_is_needed(tmp_path: Path, disk: SimpleNamespace) -> None:
    assert preflight(Plan("r", "h", (Stage("s", (Command(("x",)),)),)), JOB, project=tmp_path) == {}
    make("serve")
    service = Service("v", Command(("y",), Runtime.SERVE), "m")
    plan = Plan("r", "h", (Stage("s", (Command(("x",)),), service=service),))
    assert list(preflight(plan, JOB, project=tmp_path)) == ["serve"]


def test_an_environment_for_other_hardware_is_none(tmp_path: Path, disk: SimpleNamespace) -> None:
    make("train", "cuda")
    make("serve", "cuda")
    with pytest.raises(MissingError, match="conch env sync train --hardware cpu"):
        preflight(build_plan(JOB), JOB, project=tmp_path)


def test_a_large_base_and_its_checkpoints_need_more_room(tmp_path: Path, disk: SimpleNamespace) -> None:
    make("train")
    make("serve")
    base = tmp_path / "base"
    base.mkdir()
    with (base / "model.safetensors").open("wb") as file:
        file.truncate(3 * 10**9)
    disk.free = 5 * 10**9
    large = replace(JOB, base_folder=str(base))
    with pytest.raises(MissingError, match=r"5\.0 GB are free, a run needs at least 9\.0 GB"):
        preflight(build_plan(JOB, PARITY), large, project=tmp_path)
    recipe = JOB.recipe.model_copy(update={"train": JOB.recipe.train.model_copy(update={"method": "full"})})
    with pytest.raises(MissingError, match=r"needs at least 36\.0 GB"):
        preflight(build_plan(JOB, PARITY), replace(large, recipe=recipe), project=tmp_path)
