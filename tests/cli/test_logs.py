"""`conch logs`: the last lines, what comes, and nothing that a terminal would obey."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.execute.processes import process
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_logs import Tail, last_lines
from tests.small_world import SmallWorld


def test_a_run_and_a_stage(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCH_FAULT", "bad-utf8")
    assert small.run("sft", "small").code == 0
    said = small.run("logs", "small", "--stage", "train", "-n", "100")
    first, second, third = said.out.splitlines()[:3]
    assert (first, third) == ("==> train <==", "[INFO] llamafactory-cli train")
    assert second.startswith("without network (")
    assert "\\x1b[2J\\x1b]52;c;AAAA\\x07" in said.out
    assert "\x1b" not in said.out
    assert small.run("logs", "small", "--stage", "train", "-n", "1").out.count("\n") == 2
    lines = small.run("logs", "small", "--json").out.splitlines()
    assert all("line" in json.loads(line) for line in lines[:-1])
    assert json.loads(lines[-1])["ok"]


def test_what_is_not_there_is_told(small: SmallWorld) -> None:
    assert small.run("logs", "small").code == 2
    run = Run.create(small.project, "small")
    said = small.run("logs", "small")
    assert (said.code, "has no log yet" in said.err) == (3, True)
    (run.path / "logs").mkdir()
    (run.path / "logs/train.log").write_text("x\n", encoding="utf-8")
    said = small.run("logs", "small", "--stage", "serve")
    assert (said.code, "there are train" in said.err) == (3, True)
    (run.path / "logs/evil.log").symlink_to("/etc/passwd")
    assert small.run("logs", "small", "--stage", "evil").code == 3


def test_following_goes_on_over_a_cut_and_shows_no_line_twice(project: Path) -> None:
    run = Run.create(project, "r")
    log = run.path / "logs/train.log"
    log.parent.mkdir()
    log.write_bytes(b"old\n")
    tail = Tail(run)
    tail.skip([log])
    with log.open("ab") as file:
        file.write("一半".encode())
    assert list(tail.added()) == []
    with log.open("ab") as file:
        file.write("的行\n".encode() + b"x" * 200_000 + b"\n" + b"y" * 2_000_000 + b"\n")
    seen = [line for _ in range(5) for _, line in tail.added()]
    assert seen[0] == "一半的行"
    assert "".join(seen[2:]) == "y" * 2_000_000
    process.bound_log(log, 300_000)
    with log.open("ab") as file:
        file.write(b"after the cut\n")
    assert list(tail.added()) in ([("train", "after the cut")], [])
    with log.open("ab") as file:
        file.write(b"and more\n")
    assert ("train", "and more") in list(tail.added())


def test_a_bar_that_draws_over_itself_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes("前\n 1%|\r 2%|\r 3%|\n后\n".encode())
    assert last_lines(log, 2) == [" 1%|\r 2%|\r 3%|", "后"]
    log.write_bytes(b"")
    assert last_lines(log, 2) == []


def test_only_the_end_of_a_huge_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("wb") as file:
        file.truncate(5 << 30)
        file.seek(0, 2)
        file.write(b"\nlast\n")
    assert last_lines(log, 1) == ["last"]
