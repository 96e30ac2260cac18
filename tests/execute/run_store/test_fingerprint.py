"""When a result is still the result of what is asked now."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.execute.run_store.fingerprint import fingerprint, stage_key
from orchestrator.plan.plan import plan_key
from orchestrator.plan.stage import Command, Plan, RenderedFile, Runtime, Service, Stage

COMMAND = Command(("{train}/bin/x", "a"), Runtime.TRAIN)
SERVICE = Service("s", Command(("{serve}/bin/y",), Runtime.SERVE), "m", ready_timeout=1.0)
STAGE = Stage("s", (COMMAND,), ("in",), (RenderedFile("f", "1"),), ("out",), SERVICE, depends={"d": "1"})
LOCKS = {"train": "t1", "serve": "s1", "other": "o1"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner/a").write_text("1", encoding="utf-8")
    (folder / "海螺").write_text("2", encoding="utf-8")
    return folder


def test_the_same_content_is_the_same_wherever_and_whenever(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "inner").mkdir(parents=True)
    (other / "海螺").write_text("2", encoding="utf-8")
    (other / "inner/a").write_text("1", encoding="utf-8")
    os.utime(other / "inner/a", (1, 1))
    assert fingerprint(other) == fingerprint(tree)
    assert fingerprint(tree).startswith("sha256:")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte": lambda tree: (tree / "inner/a").write_text("x", encoding="utf-8"),
    "a name": lambda tree: (tree / "inner/a").rename(tree / "inner/b"),
    "a place": lambda tree: (tree / "inner/a").rename(tree / "a"),
    "one more": lambda tree: (tree / "new").touch(),
    "one less": lambda tree: (tree / "海螺").unlink(),
    "a link": lambda tree: (tree / "link").symlink_to(tree / "inner/a"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_is_another(tree: Path, change: Callable[[Path], object]) -> None:
    before = fingerprint(tree)
    change(tree)
    assert fingerprint(tree) not in (before, "")


def test_what_is_not_there_or_leads_nowhere_is_none(tree: Path, tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "nothing") == ""
    (tree / "inner/link").symlink_to(tmp_path / "nothing")
    assert fingerprint(tree / "inner/link") == ""
    assert fingerprint(tree) == ""


def test_a_link_is_where_it_points(tree: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tree, target_is_directory=True)
    before = fingerprint(link)
    (tree / "inner/a").write_text("changed", encoding="utf-8")
    assert fingerprint(link) == before == f"link:{tree}"


@pytest.mark.parametrize(
    ("stage", "inputs", "lockfiles"),
    [
        (replace(STAGE, name="t"), {"in": "1"}, LOCKS),
        (replace(STAGE, commands=(replace(COMMAND, argv=("{train}/bin/x", "b")),)), {"in": "1"}, LOCKS),
        (replace(STAGE, commands=(replace(COMMAND, env={"A": "1"}),)), {"in": "1"}, LOCKS),
        (replace(STAGE, files=(RenderedFile("f", "2"),)), {"in": "1"}, LOCKS),
        (replace(STAGE, depends={"d": "2"}), {"in": "1"}, LOCKS),
        (replace(STAGE, service=replace(SERVICE, model="n")), {"in": "1"}, LOCKS),
        (STAGE, {"in": "2"}, LOCKS),
        (STAGE, {"in": "1"}, LOCKS | {"train": "t2"}),
        (STAGE, {"in": "1"}, LOCKS | {"serve": "s2"}),
    ],
)
def test_whatever_decides_the_result_is_in_the_key(
    stage: Stage, inputs: dict[str, str], lockfiles: dict[str, str]
) -> None:
    assert stage_key(stage, inputs, lockfiles) != stage_key(STAGE, {"in": "1"}, LOCKS)


def test_patience_and_other_environments_are_not() -> None:
    patient = replace(SERVICE, ready_timeout=9.0, stall_timeout=9.0, warm=COMMAND, warm_during="x")
    same = stage_key(replace(STAGE, service=patient), {"in": "1"}, LOCKS | {"other": "o2"})
    assert same == stage_key(STAGE, {"in": "1"}, LOCKS)


def test_another_conch_makes_everything_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stage_key(STAGE, {}, {}), plan_key(Plan("r", "h", (STAGE,)), LOCKS)
    for module in ("execute.run_store.fingerprint", "plan.plan"):
        monkeypatch.setattr(f"orchestrator.{module}.__version__", "99")
    assert stage_key(STAGE, {}, {}) != before[0]
    assert plan_key(Plan("r", "h", (STAGE,)), LOCKS) != before[1]


def test_the_identity_of_a_run_is_its_plan_and_its_locks() -> None:
    plan = Plan("r", "h", (STAGE,))
    assert plan_key(plan, LOCKS) == plan_key(replace(plan), dict(LOCKS))
    assert plan_key(plan, LOCKS) != plan_key(plan, LOCKS | {"train": "t2"})
    assert plan_key(plan, LOCKS) != plan_key(replace(plan, stages=()), LOCKS)
