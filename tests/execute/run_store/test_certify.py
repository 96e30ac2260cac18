"""A model folder is what was certified, or what is not is named: whatever its sizes and times say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import CheckFailed
from orchestrator.execute.models.model_folder import hash_files
from orchestrator.execute.run_store.certify import certify, check_files, read_certificate, refuse_unproven
from orchestrator.plan.stages.certify import CertifySettings
from tests.small_world import make_base


@pytest.fixture
def export(tmp_path: Path) -> Path:
    make_base(tmp_path / "导出")
    return tmp_path / "导出"


def test_the_very_files(export: Path) -> None:
    assert check_files(hash_files(export), export) == []


def test_an_edit_behind_size_and_time(export: Path) -> None:
    certified = hash_files(export)
    shard = export / "model.safetensors"
    before = shard.stat()
    with shard.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x41")
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    (problem,) = check_files(certified, export)
    assert problem.where == str(shard)
    assert problem.what.startswith(
        f"was changed after it was proven ({certified['model.safetensors'][7:19]} → "
    )


def test_what_was_added_and_removed(export: Path) -> None:
    certified = hash_files(export)
    (export / "config.json").unlink()
    (export / "model-2.safetensors").write_bytes(b"x")
    (export / ".hidden").write_bytes(b"x")
    told = {Path(problem.where).name: problem.what for problem in check_files(certified, export)}
    assert set(told) == {"config.json", "model-2.safetensors"}
    assert told["config.json"].startswith("was removed after it was proven")
    assert told["model-2.safetensors"].startswith("was added after it was proven")


def test_a_folder_that_is_gone(export: Path) -> None:
    (problem,) = check_files({"config.json": "sha256:1"}, export / "nowhere")
    assert problem.what == "the exported model is gone"
    assert problem.hint


def test_fault_155_an_export_of_which_nothing_is_proven_is_not_served(tmp_path: Path) -> None:
    make_base(tmp_path / "export")
    (tmp_path / "chat_template.jinja").touch()
    settings = CertifySettings(recipe="海螺", export="export", out="proof.json")
    assert certify(settings, tmp_path) == CheckFailed.exit_code
    certificate = read_certificate(tmp_path, recipe="海螺")
    assert certificate["holds"] is False
    with pytest.raises(CheckFailed, match="nothing was proven of this export"):
        refuse_unproven(certificate, tmp_path, recipe="海螺")
