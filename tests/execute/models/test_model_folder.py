"""A model folder is whole, or every mistake in it is named (faults 34, 77)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import MissingError
from orchestrator.execute.models.model_folder import (
    INDEX,
    Manifest,
    check_complete,
    hash_files,
    model_problems,
    read_header,
    read_manifest,
    tensors_of,
    write_manifest,
)
from tests.fakes.hub_server import safetensors

WEIGHTS = "model.safetensors"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "模型 one"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}', encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    (folder / WEIGHTS).write_bytes(safetensors({"a": 3, "b": 5}))
    return folder


def in_shards(model: Path) -> None:
    (model / WEIGHTS).unlink()
    (model / "1.safetensors").write_bytes(safetensors({"a": 3}))
    (model / "2.safetensors").write_bytes(safetensors({"b": 5}))
    index = {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}
    (model / INDEX).write_text(json.dumps(index), encoding="utf-8")


def test_a_whole_model_has_nothing_wrong(model: Path) -> None:
    check_complete(model)
    assert tensors_of(model) == {"a": (3,), "b": (5,)}
    in_shards(model)
    check_complete(model)
    assert tensors_of(model) == {"a": (3,), "b": (5,)}


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


SPOILED: dict[str, Callable[[Path], object]] = {
    "no model folder": lambda model: model.rename(model.with_name("gone")),
    "has no config.json": lambda model: (model / "config.json").unlink(),
    "cannot read it": lambda model: (model / "config.json").write_text("{", encoding="utf-8"),
    "names no architecture": lambda model: (model / "config.json").write_text("[]", encoding="utf-8"),
    "has no tokenizer": lambda model: (model / "tokenizer.json").unlink(),
    "has no weights": lambda model: (model / WEIGHTS).unlink(),
    "its header requires": lambda model: shorten(model / WEIGHTS),
    "truncated or not a safetensors": lambda model: (model / WEIGHTS).write_bytes(b""),
    "Git LFS pointer": lambda model: (model / WEIGHTS).write_bytes(
        b"version https://git-lfs.github.com/spec/v1\n"
    ),
    "has pickled weights": lambda model: (model / WEIGHTS).rename(model / "pytorch_model.bin"),
    "auto_map": lambda model: (model / "config.json").write_text(
        '{"model_type": "evil", "auto_map": {"AutoModel": "evil.E"}}', encoding="utf-8"
    ),
}


@pytest.mark.parametrize("says", SPOILED)
def test_fault_077_what_is_wrong_is_named(model: Path, says: str) -> None:
    SPOILED[says](model)
    with pytest.raises(MissingError, match=says):
        check_complete(model)


def test_fault_077_shards_and_index_must_agree(model: Path) -> None:
    in_shards(model)
    (model / "1.safetensors").write_bytes(safetensors({"other": 3}))
    (model / "2.safetensors").unlink()
    said = " ".join(str(problem) for problem in model_problems(model))
    assert "lacks 1 tensors that the index names, first a" in said
    assert "2.safetensors" in said
    (model / INDEX).write_text("[]", encoding="utf-8")
    assert [problem.what for problem in model_problems(model)] == ["cannot read it"]


def test_code_and_pickles_pass_when_asked_for(model: Path) -> None:
    SPOILED["auto_map"](model)
    SPOILED["has pickled weights"](model)
    assert len(model_problems(model)) == 2
    check_complete(model, trust=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(noise=st.binary(max_size=60), length=st.integers(0, 80))
def test_no_bytes_break_the_reader(tmp_path: Path, noise: bytes, length: int) -> None:
    path = tmp_path / "noise.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + noise)
    with suppress(MissingError):
        read_header(path)


def test_a_manifest_tells_every_change(model: Path) -> None:
    write_manifest(model, Manifest("one", source="local", files=hash_files(model)))
    manifest = read_manifest(model)
    assert manifest is not None
    assert sorted(manifest.files) == ["config.json", WEIGHTS, "tokenizer.json"]
    assert hash_files(model) == manifest.files
    (model / "tokenizer.json").unlink()
    (model / "config.json").write_text("{}", encoding="utf-8")
    found = hash_files(model)
    assert sorted(found) == ["config.json", WEIGHTS]
    assert [name for name in found if found[name] != manifest.files[name]] == ["config.json"]
    (model / "conch-model.json").write_text('{"name": 1}', encoding="utf-8")
    assert read_manifest(model) is None
