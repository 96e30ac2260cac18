"""Before a server starts: which export, whether it was proven, and who may reach it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import MissingError, Refuted
from orchestrator.execute.fingerprint import fingerprint
from orchestrator.execute.serve import _guard_open_host, check_proof, last_export
from orchestrator.execute.state import RunFolder
from orchestrator.report import Run, Status
from orchestrator.stages.base import EXPORT_PROOF


def exported(project: Path, *, status: Status = Status.DONE, holds: bool | None = True) -> RunFolder:
    run = RunFolder.create(project, "r")
    (run.path / "export").mkdir()
    (run.path / "export/model.safetensors").write_bytes(b"weights of " + run.id.encode())
    outputs = {"export": fingerprint(run.path / "export")}
    run.end_stage(Run("export", status, outputs=outputs), "key")
    if holds is not None:
        (run.path / EXPORT_PROOF).mkdir(parents=True)
        parity = {"holds": holds, "first_difference": None if holds else {"explanation": "one space more"}}
        (run.path / EXPORT_PROOF / "parity.json").write_text(json.dumps(parity), encoding="utf-8")
    return run


def test_the_newest_whole_export_is_taken(tmp_path: Path) -> None:
    exported(tmp_path)
    newest = exported(tmp_path)
    exported(tmp_path, status=Status.FAILED)
    changed = exported(tmp_path)
    (changed.path / "export/model.safetensors").write_bytes(b"others")
    gone = exported(tmp_path)
    (gone.path / "export/model.safetensors").unlink()
    assert last_export(tmp_path, "r") == newest


def test_without_one_the_command_that_makes_it_is_named(tmp_path: Path) -> None:
    exported(tmp_path, status=Status.FAILED)
    with pytest.raises(MissingError, match="conch sft r"):
        last_export(tmp_path, "r")


def test_an_export_that_was_not_proven_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="never proven"):
        check_proof(exported(tmp_path, holds=None), accept=True)
    refuted = exported(tmp_path, holds=False)
    with pytest.raises(Refuted, match="one space more"):
        check_proof(refuted, accept=False)
    check_proof(refuted, accept=True)
    check_proof(exported(tmp_path), accept=False)


@pytest.mark.parametrize("key", [None, ""])
def test_the_network_is_not_let_in_without_a_key(key: str | None) -> None:
    with pytest.raises(MissingError, match=r"0\.0\.0\.0 is open"):
        _guard_open_host("0.0.0.0", key, pytest.fail)


def test_with_a_key_one_is_told_what_it_does_not_guard() -> None:
    said: list[str] = []
    _guard_open_host("::", "secret", said.append)
    assert "/health" in said[0]
    assert "secret" not in said[0]
