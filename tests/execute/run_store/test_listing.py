"""How runs stand, by their state and their lock; and removing them."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from orchestrator.errors import BusyError
from orchestrator.execute.processes import process, process_tree
from orchestrator.execute.run_store import listing, run_folder
from orchestrator.execute.run_store.listing import Standing, standing_of, summaries, summary_of
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold
from orchestrator.results import StageResult, Status


def ended(project: Path, code: int | None, reason: str = "") -> Run:
    run = Run.create(project, "conch")
    run.begin("a headline", identity="x")
    run.begin_stage("fetch", "key")
    run.end_stage(StageResult("fetch", Status.DONE, seconds=1.0), "key")
    if code is not None:
        run.end(code, reason)
    return run


@pytest.mark.parametrize(
    ("code", "standing"),
    [
        (0, Standing.DONE),
        (4, Standing.FAILED),
        (5, Standing.REFUTED),
        (143, Standing.STOPPED),
        (None, Standing.INTERRUPTED),
    ],
)
def test_how_a_run_stands(project: Path, code: int | None, standing: Standing) -> None:
    run = ended(project, code, "the reason\nand more")
    told = summary_of(run)
    assert told.standing is standing
    assert (told.stage, told.stages, told.headline) == ("fetch", 1, "a headline")
    assert told.reason == ("" if code is None else "the reason")
    assert told.exit_code == code


def test_only_the_holder_of_the_lock_runs(project: Path) -> None:
    older = ended(project, None)
    with hold(project, "conch"):
        run = Run.create(project, "conch")
        run.begin("now", identity="y")
        before, now = summaries(project)
        assert now.standing is Standing.RUNNING
        # The older one has the same process in its state here, as it never has outside a test.
        _forge(older, pid=1, ticks=1)
        before, now = summaries(project)
        assert (before.standing, now.standing) == (Standing.INTERRUPTED, Standing.RUNNING)
    assert summary_of(run).standing is Standing.INTERRUPTED, "the lock is free"


def _forge(run: Run, **values: object) -> None:
    found = json.loads((run.path / "state.json").read_bytes())
    (run.path / "state.json").write_text(json.dumps({**found, **values}), encoding="utf-8")


def test_a_state_that_cannot_be_read_is_made_of_the_events(project: Path) -> None:
    run = ended(project, 0)
    for broken in (b"", b'{"status": "do', b"[]", b"\xff"):
        (run.path / "state.json").write_bytes(broken)
        assert summary_of(run).standing in {Standing.DONE, Standing.NEW}
    (run.path / "state.json").unlink()
    assert summary_of(run).standing is Standing.DONE


def test_processes_that_a_killed_run_left_are_told(project: Path, tmp_path: Path) -> None:
    run = ended(project, None)
    dead_owner = f"{process_tree.run_prefix(project, run.path)}.{os.getpid()}.1"
    child = process.start(
        ["/bin/sleep", "60"], cwd=tmp_path, env={"CONCH_RUN": dead_owner}, log=tmp_path / "log"
    )
    try:
        assert summary_of(run, look_around=True).leftovers == (child.pid,)
        with pytest.raises(BusyError, match=r"has living processes: .*\n.*conch stop"):
            listing.remove_run(run)
    finally:
        child.stop()
    assert summary_of(run, look_around=True).leftovers == ()


def test_removing_a_run_follows_no_link(project: Path) -> None:
    run, kept = ended(project, 0), ended(project, 0)
    mine = project / "mine"
    mine.mkdir()
    (mine / "rows.jsonl").write_text("{}", encoding="utf-8")
    (run.path / "inputs").mkdir()
    (run.path / "inputs/base").symlink_to(mine, target_is_directory=True)
    listing.remove_run(run)
    assert not run.path.exists()
    assert (mine / "rows.jsonl").exists()
    assert [one.run for one in summaries(project)] == [kept.name]
    assert [path.name for path in run.path.parent.iterdir() if path.name.startswith(".removed")] == []


def test_what_an_interrupted_removal_left_is_no_run_and_goes_with_the_next(project: Path) -> None:
    half, other = ended(project, 0), ended(project, 0)
    half.path.rename(half.path.with_name(f".removed-{half.id}"))
    assert [one.run for one in summaries(project)] == [other.name]
    listing.remove_run(other)
    assert [path.name for path in other.path.parent.iterdir() if path.name.startswith(".removed")] == []


def test_a_run_that_is_worked_on_is_not_removed(project: Path) -> None:
    run = ended(project, 0)
    with hold(project, "conch"), pytest.raises(BusyError, match=socket.gethostname()):
        listing.remove_run(run)
    assert run.path.exists()


def test_the_boot_is_recorded(project: Path) -> None:
    run = ended(project, 0)
    found = json.loads((run.path / "state.json").read_bytes())
    assert found["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert run_folder.SCHEMA == 1
    assert standing_of({}, worked_on=False) is Standing.NEW
