"""`conch stop`: ends the orchestrator and everything it started, in its own project only, twice if asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store import run_lock

ROOT = Path(__file__).parents[2]


def orchestrate(project: Path, script: str) -> subprocess.Popen[bytes]:
    """An orchestrator that holds a recipe's lock and runs a script."""
    code = f"""
from pathlib import Path
from orchestrator.execute.launchers.commands import run_command
from orchestrator.execute.host import signals
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store import run_lock
from orchestrator.plan.stage import Command
project = Path({str(project)!r})
with signals.catch_signals(), run_lock.hold(project, "r"):
    run_tag = process_tree.new_run_tag(project, project / "runs" / "r" / "1")
    command = Command(("bash", "-c", {script!r}))
    run_command(command, symbols={{}}, cwd=project, run_tag=run_tag, log=project / "log", grace=1)
"""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", code], env=env, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not (project / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return child


def stop(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.chdir(project)
    assert main.run(["stop", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["data"]["stopped"]
    return [row["command"] for row in rows]


# The child of the shell has become what it was asked to be.
READY = "until grep -q ^sleep /proc/$!/cmdline; do :; done"


def test_it_stops_the_orchestrator_and_its_tree(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = orchestrate(project, f"setsid sleep 71 & {READY}; echo > pid; exec sleep 72")
    commands = stop(project, monkeypatch, capsys)
    assert {"sleep 71", "sleep 72"} < set(commands)
    assert "-c" in commands[0]
    assert other.wait(5) == 1  # its own script has no boundary that turns Interrupted into 143
    assert not run_lock.is_held(project, "r")
    assert stop(project, monkeypatch, capsys) == []


def test_another_project_is_left_alone(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other" / "recipes").mkdir(parents=True)
    other = orchestrate(project, "echo > pid; exec sleep 73")
    assert stop(tmp_path / "other", monkeypatch, capsys) == []
    assert len(process_tree.scan(process_tree.project_prefix(project))) == 1
    assert stop(project, monkeypatch, capsys)[-1] == "sleep 73"
    other.wait(5)


def test_what_ignores_everything_is_killed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = orchestrate(project, 'trap "" TERM INT HUP; echo > pid; while :; do sleep 0.1; done')
    began = time.monotonic()
    monkeypatch.chdir(project)
    assert main.run(["stop", "--grace", "0.5"]) == 0
    assert "stopped" in capsys.readouterr().out
    assert time.monotonic() - began < 8
    other.wait(5)
    assert process_tree.scan(process_tree.project_prefix(project)) == []


def test_nothing_to_stop(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main.run(["stop"]) == 0
    assert capsys.readouterr().out == "nothing was running for this project\n"
