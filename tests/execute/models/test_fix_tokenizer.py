"""The corrected copy: another tokenizer_config.json, everything else as it was, the original untouched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import ConchError, MissingError, UsageError
from orchestrator.execute.host.atomic_files import sha256_file
from orchestrator.execute.models import fix_tokenizer
from orchestrator.execute.models.fix_tokenizer import write_corrected_copy
from orchestrator.execute.models.model_folder import (
    Manifest,
    hash_files,
    read_manifest,
    write_manifest,
)
from tests.execute.models.test_tokenizer_folder import make_tokenizer

PUBLISHED = '{"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<｜begin▁of▁sentence｜>"}'


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder as a hub's cache has it: its weights a link, hidden files beside."""
    folder = make_tokenizer(tmp_path / "原 model", config=PUBLISHED)
    (tmp_path / "blob").write_bytes(b"weights" * 1000)
    (folder / "model.safetensors").symlink_to("../blob")
    (folder / "sub").mkdir()
    (folder / "sub/config.json").write_text("{}", encoding="utf-8")
    (folder / ".cache").mkdir()
    (folder / ".cache/x").touch()
    write_manifest(folder, Manifest(name="m", source="local", files=hash_files(folder)))
    monkeypatch.setattr(fix_tokenizer, "LINKED", 1000)
    return folder


def test_the_copy_has_a_class_that_every_version_reads_and_the_same_files(
    model: Path, tmp_path: Path
) -> None:
    before = {path: sha256_file(path) for path in model.rglob("*") if path.is_file()}
    copy = tmp_path / "copies" / "corrected"
    write_corrected_copy(model, copy)
    config = json.loads((copy / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config == json.loads(PUBLISHED) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    assert (copy / "model.safetensors").samefile(tmp_path / "blob")  # no second copy of the weights
    assert not (copy / "tokenizer.json").samefile(model / "tokenizer.json")
    names = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert names == {
        "conch-model.json",
        "model.safetensors",
        "sub/config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    manifest = read_manifest(copy)
    assert manifest is not None
    assert hash_files(copy) == manifest.files
    assert {path: sha256_file(path) for path in before} == before
    assert [path.name for path in copy.parent.iterdir()] == ["corrected"]


def test_weights_on_another_file_system_become_links(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link", self, target)

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_corrected_copy(model, tmp_path / "copy")
    assert (tmp_path / "copy/model.safetensors").readlink() == tmp_path / "blob"


def test_an_empty_folder_is_filled_and_what_an_interruption_left_is_cleared(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy.partial-0").mkdir()
    (tmp_path / "copy.partial-0/rest").touch()
    write_corrected_copy(model, tmp_path / "copy")
    assert (tmp_path / "copy/tokenizer_config.json").is_file()
    assert not (tmp_path / "copy/rest").exists()
    assert not (tmp_path / "copy.partial-0").exists()


def test_nothing_is_written_over_or_into_the_original(model: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for target in (full, full / "mine", model, tmp_path / "link"):
        with pytest.raises(UsageError, match="already exists"):
            write_corrected_copy(model, target)
    with pytest.raises(UsageError, match="inside the original"):
        write_corrected_copy(model, model / "copy")
    assert [path.name for path in full.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("gone", "kind"), [("tokenizer.json", UsageError), ("tokenizer_config.json", MissingError)]
)
def test_a_folder_that_cannot_be_corrected_leaves_nothing(
    model: Path, tmp_path: Path, gone: str, kind: type[ConchError]
) -> None:
    (model / gone).unlink()
    with pytest.raises(kind):
        write_corrected_copy(model, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "copy.partial-0").exists()


def test_a_target_that_cannot_be_written_is_one_clear_message(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingError, match="cannot write the copy"):
        write_corrected_copy(model, tmp_path / "file" / "copy")
