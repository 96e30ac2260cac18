"""A model of transformers 5 in the words of transformers 4, beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.execute.models.older_folder import older_config, older_tokenizer, write_older


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "inputs/base"
    folder.mkdir(parents=True)
    rope = {"rope_theta": 100000.0, "rope_type": "default"}
    config = {"model_type": "llama", "dtype": "float32", "rope_parameters": rope}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = {"tokenizer_class": "TokenizersBackend", "extra_special_tokens": ["<|x|>"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    for name in ("model.safetensors", "tokenizer.json", "pytorch_model.bin", "training_args.bin", "code.py"):
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def read(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_what_the_older_version_looks_for_is_written_and_the_model_stays(model: Path) -> None:
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    older = model.parent / "ppo/base"
    write_older(model, older)
    config, tokenizer = read(older / "config.json"), read(older / "tokenizer_config.json")
    assert (config["rope_theta"], config["torch_dtype"]) == (100000.0, "float32")
    assert "rope_scaling" not in config  # the default is none
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert tokenizer["additional_special_tokens"] == ["<|x|>"]
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def test_only_safetensors_and_the_tokenizer_are_there_and_survive_a_rename(model: Path) -> None:
    older = model.parent / "ppo/base"
    write_older(model, older)
    assert {path.name for path in older.iterdir()} == {
        *("config.json", "tokenizer_config.json", "model.safetensors", "tokenizer.json")
    }
    moved = model.parent.rename(model.parent.with_name("inputs-done"))
    assert (moved / "ppo/base/model.safetensors").read_text(encoding="utf-8") == "model.safetensors"


def test_scaled_positions_keep_their_scaling(model: Path) -> None:
    rope = {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0}
    path = model / "config.json"
    path.write_text(json.dumps({"rope_parameters": rope}), encoding="utf-8")
    config = older_config(path)
    assert (config["rope_theta"], config["rope_scaling"]) == (5e5, {"rope_type": "llama3", "factor": 8.0})


def test_fault_positions_that_differ_between_layers_have_no_older_words(model: Path) -> None:
    rope = {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}
    path = model / "config.json"
    path.write_text(json.dumps({"rope_parameters": rope}), encoding="utf-8")
    with pytest.raises(UsageError, match="differ between layers"):
        older_config(path)


def test_what_an_older_version_wrote_stays_as_it_is(model: Path) -> None:
    values = {"model_type": "llama", "torch_dtype": "bfloat16", "rope_theta": 1e4, "rope_scaling": None}
    path = model / "config.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    assert older_config(path) == values
    path.write_text(json.dumps({"tokenizer_class": "LlamaTokenizerFast"}), encoding="utf-8")
    assert older_tokenizer(path) == {"tokenizer_class": "LlamaTokenizerFast"}
