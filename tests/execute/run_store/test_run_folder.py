"""Run folders, the lock that a killed holder cannot keep, events that survive a torn line, records."""
# Covers execute/run_store/run_lock.py

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import ANY

import pytest

from orchestrator.errors import BusyError, MissingError, UsageError
from orchestrator.execute.run_store import run_folder, run_lock
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.results import StageResult, Status

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def other_holder(project: Path, *, then: str = "input()") -> subprocess.Popen[str]:
    """Another process that takes the lock, says `held`, and goes on with `then`."""
    code = f"""
import subprocess, sys
from pathlib import Path
from orchestrator.execute.run_store.run_lock import hold
with hold(Path({str(project)!r}), "r"):
    print("held", flush=True)
    {then}
"""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    return child.stdout.readline().strip()


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe:
            pipe.close()


def test_ids_are_readable_private_and_sort_by_time_whatever_the_clock_does(tmp_path: Path) -> None:
    first = Run.create(tmp_path, "magic", now=NOON)
    second = Run.create(tmp_path, "magic", now=NOON)
    third = Run.create(tmp_path, "magic", now=NOON.replace(year=2020))
    assert first.id.startswith("20261123-120000-")
    assert [run.id for run in Run.all(tmp_path, "magic")] == [first.id, second.id, third.id]
    assert Run.last(tmp_path, "magic") == third
    assert first.path.stat().st_mode & 0o777 == 0o700
    assert first.path == tmp_path / "runs" / "magic" / first.id


def test_a_run_is_opened_by_its_name_or_its_recipes(tmp_path: Path) -> None:
    first, second = Run.create(tmp_path, "magic"), Run.create(tmp_path, "magic")
    assert Run.open(tmp_path, first.name) == first
    assert Run.open(tmp_path, "magic") == second
    for name in ("none", "magic/20200101-000000-abcd"):
        with pytest.raises(UsageError, match="there is no run"):
            Run.open(tmp_path, name)
    for name in ("magic/..", "magic/../magic", "magic/", "", "..", "Magic", "/etc"):
        with pytest.raises(UsageError, match="is not the name of a run"):
            Run.open(tmp_path, name)


def test_a_runs_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(MissingError, match="cannot make the folder"):
        Run.create(tmp_path, "magic")
    with pytest.raises(MissingError, match="cannot make the folder"), run_lock.hold(tmp_path, "magic"):
        pass


def test_events_make_the_state_and_the_record(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "magic")
    assert run.stage_record("train") is None
    run.begin("神奇海螺 on a stand-in", profile="cpu")
    run.begin_stage("train", "key")
    run.end_stage(StageResult("train", Status.DONE, "", 0, 2.5, outputs={"adapter": "sha256:1"}), key="k1")
    run.begin_stage("train", "key")
    run.end_stage(StageResult("train", Status.FAILED, "oom", 137, 1.0), key="k2")
    run.end(4, "train failed")
    record = run.stage_record("train")
    assert record == run_folder.StageRecord("train", "k1", {"adapter": "sha256:1"}, 2.5)
    assert [(one.stage, one.status, one.reason) for one in run.runs()] == [("train", Status.FAILED, "oom")]
    content = json.loads((run.path / "state.json").read_text(encoding="utf-8"))
    assert (content["schema"], content["status"], content["exit_code"]) == (1, "ended", 4)
    assert (content["headline"], content["profile"]) == ("神奇海螺 on a stand-in", "cpu")
    assert content["stages"]["train"]["status"] == "failed"
    assert (run.path / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_torn_line_is_ignored_and_the_next_event_is_whole(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "magic")
    run.append_event({"event": "one"})
    with (run.path / "events.jsonl").open("ab") as file:
        file.write(b'{"event": "to\xff')
    run.append_event({"event": "two"})
    assert [event["event"] for event in run.events()] == ["one", "two"]


def test_fault_056_kill_9_between_events_never_loses_a_whole_one(tmp_path: Path) -> None:
    """Fault 56."""
    run = Run.create(tmp_path, "magic")
    code = f"""
from pathlib import Path
from orchestrator.execute.run_store.run_folder import Run
run = Run(Path({str(tmp_path)!r}), "magic", {run.id!r})
for number in range(10**9):
    run.append_event({{"event": "n", "number": number, "text": "x" * 5000}}, durable=True)
    run.write_state()
"""
    for _ in range(5):
        before = len(list(run.events()))
        writer = subprocess.Popen([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)})
        while len(list(run.events())) < before + 3:
            time.sleep(0.01)
        writer.kill()
        writer.wait()
        numbers = [event["number"] for event in run.events()][before:]
        assert numbers == list(range(len(numbers)))
        json.loads((run.path / "state.json").read_text(encoding="utf-8"))


def test_fault_045_a_second_holder_is_told_who_holds(tmp_path: Path) -> None:
    """Fault 45."""
    other = other_holder(tmp_path)
    assert said(other) == "held"
    assert run_lock.is_held(tmp_path, "r")
    with (
        pytest.raises(BusyError, match=rf"process {other.pid} on \S+ since 20"),
        run_lock.hold(tmp_path, "r"),
    ):
        pass
    with run_lock.hold(tmp_path, "another"):
        pass
    end(other)


def test_fault_049_a_killed_holder_holds_nothing_even_through_its_child(tmp_path: Path) -> None:
    """Fault 49 and 51: the lock's descriptor does not reach a child."""
    other = other_holder(tmp_path, then="print(subprocess.Popen(['sleep', '60']).pid, flush=True); input()")
    assert said(other) == "held"
    child = int(said(other))
    end(other)
    assert not run_lock.is_held(tmp_path, "r")
    with run_lock.hold(tmp_path, "r"):
        assert run_lock.holder(tmp_path, "r") == {**run_lock.this_process(), "by": ANY}
    assert not run_lock.is_held(tmp_path, "r")
    os.kill(child, 9)


def test_fault_045_of_twenty_that_start_at_once_exactly_one_holds(tmp_path: Path) -> None:
    """Fault 45; ten here, two cores."""
    children = [other_holder(tmp_path) for _ in range(10)]
    winners = [child for child in children if said(child) == "held"]
    losers = [child for child in children if child not in winners]
    assert len(winners) == 1
    assert all("BusyError" in child.communicate()[1] for child in losers)
    end(winners[0])
