"""Before a server starts: which export, whether it was proven, and who may reach it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from orchestrator.backends import vllm
from orchestrator.errors import CheckFailed, MissingError
from orchestrator.execute.run_store.certify import certify
from orchestrator.execute.run_store.fingerprint import fingerprint
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import finished_run
from orchestrator.execute.serving.serve import _guard_open_host, check_proof
from orchestrator.plan.stages.certify import CertifySettings
from orchestrator.results import Proof, StageResult, Status


def exported(project: Path, *, status: Status = Status.DONE, holds: bool | None = True) -> Run:
    run = Run.create(project, "r")
    (run.path / "export").mkdir()
    (run.path / "export/model.safetensors").write_bytes(b"weights of " + run.id.encode())
    (run.path / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    run.end_stage(StageResult("export", status, outputs={"export": fingerprint(run.path / "export")}), "key")
    if holds is not None:
        (run.path / "proofs/export").mkdir(parents=True)
        proof = Proof("merge", holds, "1 tensor", detail="" if holds else "one tensor more")
        (run.path / "proofs/export/merge.json").write_text(json.dumps(asdict(proof)), encoding="utf-8")
        code = certify(CertifySettings(recipe="r", export="export", out="proof.json"), run.path)
        assert code == (0 if holds else 5)
    return run


def test_the_newest_finished_export_is_taken(tmp_path: Path) -> None:
    exported(tmp_path)
    newest = exported(tmp_path)
    exported(tmp_path, status=Status.FAILED)
    assert finished_run(tmp_path, "r") == newest
    assert finished_run(tmp_path, newest.name) == newest


def test_without_one_the_command_that_makes_it_is_named(tmp_path: Path) -> None:
    exported(tmp_path, status=Status.FAILED)
    with pytest.raises(MissingError, match="conch sft r"):
        finished_run(tmp_path, "r")


def test_an_export_that_was_not_proven_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="conch prove r"):
        check_proof(exported(tmp_path, holds=None), accept=True)
    refuted = exported(tmp_path, holds=False)
    with pytest.raises(CheckFailed, match="one tensor more"):
        check_proof(refuted, accept=False)
    check_proof(refuted, accept=True)
    check_proof(exported(tmp_path), accept=False)


def _edit(run: Run) -> None:
    (run.path / "export/model.safetensors").write_bytes(b"weights of another")


def _add(run: Run) -> None:
    (run.path / "export/generation_config.json").write_text("{}", encoding="utf-8")


def _lose(run: Run) -> None:
    (run.path / "export/model.safetensors").unlink()


def _newline(run: Run) -> None:
    (run.path / "chat_template.jinja").write_text("{{ messages }}\n", encoding="utf-8")


CHANGED: dict[str, tuple[Callable[[Run], None], str]] = {
    "weights": (_edit, r"model.safetensors.*was changed"),
    "generation": (_add, r"generation_config.json.*was added"),
    "gone": (_lose, r"model.safetensors.*was removed"),
    "template": (_newline, "the chat template was changed"),
}


@pytest.mark.parametrize(("change", "words"), CHANGED.values(), ids=CHANGED)
def test_other_files_than_those_that_were_proven_are_refused(
    tmp_path: Path, change: Callable[[Run], None], words: str
) -> None:
    run = exported(tmp_path)
    change(run)
    with pytest.raises(CheckFailed, match=words):
        check_proof(run, accept=False)
    said: list[str] = []
    check_proof(run, accept=True, progress=said.append)
    assert said[0].startswith("accepted: ")


@pytest.mark.parametrize("key", [None, ""])
def test_the_network_is_not_let_in_without_a_key(key: str | None) -> None:
    with pytest.raises(MissingError, match=r"0\.0\.0\.0 is open"):
        _guard_open_host("0.0.0.0", key, "", pytest.fail)


def test_with_a_key_one_is_told_what_it_does_not_guard() -> None:
    said: list[str] = []
    _guard_open_host("::", "secret", vllm.open_paths, said.append)
    assert "/health" in said[0]
    assert "secret" not in said[0]
