"""The record of a server, and its lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import BusyError
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.server_record import (
    RECORD,
    Serving,
    all_serving,
    hold_serving,
    is_lost,
    is_up,
    serving_of,
    write_serving,
)


def test_it_is_up_while_it_is_held_and_has_one_holder(project: Path) -> None:
    run = Run.create(project, "r")
    assert not is_up(run)
    serving = Serving(run.name, "http://127.0.0.1:1/v1", "海螺", os.getpid(), 1, "2026-01-01T00:00:00+00:00")
    with hold_serving(run):
        write_serving(run, serving)
        assert is_up(run)
        assert all_serving(project) == [(run, serving)]
        with pytest.raises(BusyError, match=r"is already served at http://127.0.0.1:1/v1"), hold_serving(run):
            pass
    assert not is_up(run)
    assert serving_of(run) is None, "ended in order, it leaves no record"


def test_a_record_without_a_holder_is_no_server(project: Path) -> None:
    run = Run.create(project, "r")
    (run.path / RECORD).write_text("{", encoding="utf-8")
    assert serving_of(run) is None
    (run.path / RECORD).write_text('{"who": 1}', encoding="utf-8")
    assert serving_of(run) is None
    serving = Serving(run.name, "u", "m", os.getpid(), 1, "")
    write_serving(run, serving)
    assert not is_up(run)
    assert not is_lost(run, serving), "no process of it lives"
