"""`conch runs ls|show|diff`, `status` and `rm`."""
# Covers cli/rm.py cli/runs_diff.py cli/runs_ls.py cli/runs_show.py cli/status.py

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from orchestrator.cli.runs import RUNS_VERBS
from tests.small_world import SmallWorld

ID = "20260103-000000-beef"


def test_nothing_yet(small: SmallWorld) -> None:
    assert small.run("runs", "ls").out == "no runs yet: conch run RECIPE\n"
    assert small.run("status").out == "no runs yet: conch run RECIPE\n"
    assert small.run("runs", "ls", "--json").envelope["data"] == {"runs": []}
    for words in (("runs", "show", "small"), ("runs", "diff", "small", "small"), ("rm", f"small/{ID}")):
        said = small.run(*words)
        assert said.code == 2
        assert "there is no run" in said.err
    assert small.run("runs", "ls", "nix").code == 2


def test_a_run_is_listed_shown_compared_and_removed(small: SmallWorld) -> None:
    small.after("sft", "small")
    assert small.run("sft", "small", "--set", "train.epochs=9").code == 0
    listed = small.run("runs", "ls")
    assert [line.split()[1] for line in listed.out.splitlines()] == ["status", "done", "done"]
    first, second = [one["run"] for one in small.run("runs", "ls", "--json").envelope["data"]["runs"]]

    shown = small.run("runs", "show", "small")
    assert shown.out.startswith(f"{second}: done\n")
    assert re.search(r"train.epochs +9(\.0)? +--set train.epochs=9\n", shown.out)
    assert "recipes/small.yaml:1:15" in shown.out
    assert small.run("runs", "show", first, "--json").envelope["data"]["manifest"]["run"] == first

    different = small.run("runs", "diff", first, second)
    assert different.out.startswith(f"- {first}\n+ {second}\n\nrecipe\n  train.epochs\n")
    same = small.run("runs", "diff", first, first)
    assert same.out == f"{first} and {first} differ only in time\n"

    assert "done" in small.run("status").out
    unasked = small.run("rm", first)
    assert (unasked.code, "add --yes" in unasked.err) == (2, True)
    whole = small.run("rm", "--yes", "small")
    assert (whole.code, "names a recipe" in whole.err) == (2, True)
    gone = small.run("rm", "--yes", first)
    assert gone.out == f"deleted {first}\n"
    assert " MB with its export" in gone.err
    assert small.run("rm", "--yes", first).code == 2
    assert [one["run"] for one in small.run("runs", "ls", "--json").envelope["data"]["runs"]] == [second]


def test_what_runs_is_shown_and_not_removed(small: SmallWorld) -> None:
    child = small.start("run", "small", env={"CONCH_FAULT": "hang"})
    try:
        deadline = time.monotonic() + 60
        while "running" not in (said := small.run("status")).out and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "running" in said.out
        while not small.last().path.joinpath("manifest.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        busy = small.run("rm", "--yes", small.last().name)
        assert busy.code == 6
        assert f"process {child.pid}" in busy.err
    finally:
        child.terminate()
        child.wait(60)
    said = small.run("status")
    assert "stopped" in said.out
    assert "run its command again (conch run small)" in said.out


def test_a_name_that_leads_out_is_no_run(small: SmallWorld, tmp_path: Path) -> None:
    (tmp_path / "20260101-000000-abcd").mkdir()
    for name in ("../20260101-000000-abcd", "../../20260101-000000-abcd", "small/../x", "/etc/passwd"):
        assert small.run("rm", "--yes", name).code == 2
    assert (tmp_path / "20260101-000000-abcd").is_dir()


@pytest.mark.parametrize("name", RUNS_VERBS)
def test_help_has_an_example(small: SmallWorld, name: str) -> None:
    said = small.run("runs", name, "--help")
    assert said.code == 0
    assert f"conch runs {name}" in said.out
