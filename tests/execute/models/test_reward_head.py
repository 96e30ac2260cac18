"""A reward model's export: the value head becomes the head of a sequence classification model."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from orchestrator.errors import StageFailed
from orchestrator.execute.models.model_folder import INDEX, model_problems, read_header
from orchestrator.execute.models.reward_head import HEAD, VALUE_HEAD, make_scoring


def tensors(path: Path, values: dict[str, tuple[list[int], list[float]]]) -> None:
    """A safetensors file of float32 tensors."""
    header, data = {}, b""
    for name, (shape, numbers) in values.items():
        raw = struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def value_of(path: Path, name: str) -> list[float]:
    raw, (start, end) = path.read_bytes(), read_header(path)[name]["data_offsets"]
    body = raw[8 + struct.unpack("<Q", raw[:8])[0] :][start:end]
    return list(struct.unpack(f"<{len(body) // 4}f", body))


@pytest.fixture
def export(tmp_path: Path) -> Path:
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "pad_token_id": 2}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    tensors(tmp_path / "model.safetensors", {"model.norm.weight": ([2], [1.0, 2.0])})
    head = {"v_head.summary.bias": ([1], [0.25]), "v_head.summary.weight": ([1, 2], [3.0, -4.0])}
    tensors(tmp_path / VALUE_HEAD, head)
    return tmp_path


def test_the_head_is_what_servers_read_and_the_value_head_what_llamafactory_reads(export: Path) -> None:
    make_scoring(export)
    assert value_of(export / HEAD, "score.weight") == [3.0, -4.0]
    assert value_of(export / HEAD, "score.bias") == [0.25]
    assert (export / VALUE_HEAD).is_file()
    shards = json.loads((export / INDEX).read_text(encoding="utf-8"))["weight_map"]
    assert shards == {
        "model.norm.weight": "model-00001-of-00001.safetensors",
        "score.weight": HEAD,
        "score.bias": HEAD,
    }
    # A file of this name would be read instead of the index.
    assert not (export / "model.safetensors").exists()
    assert model_problems(export) == []
    config = json.loads((export / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    # Otherwise vLLM squashes the score, and transformers scores the token before the end of an answer.
    assert (config["problem_type"], config["pad_token_id"]) == ("regression", None)


def test_a_sharded_export_keeps_its_shards(export: Path) -> None:
    (export / "model.safetensors").rename(export / "model-00001-of-00001.safetensors")
    index = {
        "metadata": {"total_size": 8},
        "weight_map": {"model.norm.weight": "model-00001-of-00001.safetensors"},
    }
    (export / INDEX).write_text(json.dumps(index), encoding="utf-8")
    make_scoring(export)
    found = json.loads((export / INDEX).read_text(encoding="utf-8"))
    assert found["metadata"] == {"total_size": 8}
    assert found["weight_map"]["score.bias"] == HEAD


def test_fault_an_export_without_its_head_is_refused(export: Path) -> None:
    """`llamafactory-cli export` without `stage: rm` leaves it out, without a word."""
    (export / VALUE_HEAD).unlink()
    with pytest.raises(StageFailed, match="has no value head, so it scores nothing"):
        make_scoring(export)


def test_another_architecture_is_refused(export: Path) -> None:
    (export / "config.json").write_text('{"architectures": ["T5ForConditionalGeneration"]}', encoding="utf-8")
    with pytest.raises(StageFailed, match="T5ForConditionalGeneration is none of a causal"):
        make_scoring(export)
