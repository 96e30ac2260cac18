"""The trained models asked for real: training's own prompts, adapter off and on, the export beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator.execute.models import demo_model
from tests.probes import tiny_models as tiny
from tests.probes.run_folder import PROBES, Run, run_python, turns

ARGV = [
    "train.yaml",
    "--adapter",
    "adapter",
    "--export",
    "export",
    "--questions",
    "questions.json",
    "--out",
    "arms",
]
TALK = turns("一", "壹", "二", "贰")
QUESTION = {"case": "checks[0]", "purpose": "with history", "system": "", "turns": ["一", "二"]}
QUESTIONS = {"questions": [QUESTION], "max_tokens": 6, "bare": True}


def test_an_empty_thought_is_left_to_the_template(probe: Callable[[str], ModuleType]) -> None:
    sent_back = probe("answer_ids").sent_back
    assert sent_back("<think>\n\n</think>\n\n好") == "好"
    assert sent_back("<think>\n嗯\n</think>\n\n好") == "<think>\n嗯\n</think>\n\n好"
    assert sent_back("好") == "好"


@pytest.mark.real
@pytest.mark.parametrize(
    "text", [None, "{}", '{"questions": [{"case": "a"}], "max_tokens": 1, "bare": true}', "{"]
)
def test_questions_that_are_none_are_refused(tmp_path: Path, train_python: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "questions.json").write_text(text, encoding="utf-8")
    done = run_python(train_python, [str(PROBES / "answer_ids.py"), *ARGV], tmp_path)
    assert done.returncode == 2
    assert "not the questions of conch why" in done.stderr
    assert not (tmp_path / "arms").exists()


def answers(path: Path, arm: str) -> list[Mapping[str, Any]]:
    (header, *rows) = [
        json.loads(line) for line in (path / f"arms/{arm}.jsonl").read_text("utf-8").splitlines()
    ]
    assert header["arm"] == arm
    assert header["stop_token_ids"]
    return list(rows[0]["turns"])


@pytest.mark.real
def test_the_prompts_are_those_of_training_and_only_the_adapter_parts_the_answers(
    tmp_path: Path, train_python: Path
) -> None:
    folder = Run(tmp_path / "run", train_python, train_python)
    base = demo_model.ensure_embedded(print)
    folder.lay_out(base, [TALK], finetuning_type="lora", lora_rank=2)
    assert folder.train_ids("mine").returncode == 0
    tiny_adapter(folder.path / "adapter", base)
    (folder.path / "export").symlink_to(base)
    (folder.path / "questions.json").write_text(json.dumps(QUESTIONS, ensure_ascii=False), encoding="utf-8")
    done = run_python(train_python, [str(PROBES / "answer_ids.py"), *ARGV], folder.path)
    assert done.returncode == 0, done.stderr
    assert "conch: answered merged 1/1" in done.stderr
    (row,) = [line for line in folder.trained() if "dataset" in line]
    told = {arm: answers(folder.path, arm) for arm in ("base", "adapter", "merged")}
    for turn in told.values():
        assert turn[0]["prompt"] == row["ids"][: row["turns"][0]["start"]]
        assert len(turn[1]["prompt"]) > len(turn[0]["prompt"]) + len(turn[0]["ids"])
        assert all(len(each["ids"]) <= 6 and each["finish"] in ("stop", "length") for each in turn)
    # The export is the base: the two agree token by token, and the adapter does not.
    assert [turn["ids"] for turn in told["merged"]] == [turn["ids"] for turn in told["base"]]
    assert told["adapter"][0]["ids"] != told["base"][0]["ids"]


def tiny_adapter(folder: Path, base: Path) -> None:
    """LoRA on one projection of every layer of the embedded base, large enough to be heard."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    width, model = config["hidden_size"], dict[str, tiny.Matrix]()
    for layer in range(config["num_hidden_layers"]):
        module = f"{tiny.PREFIX}model.layers.{layer}.self_attn.o_proj"
        model[f"{module}.lora_A.weight"] = tiny.matrix(2, width, f"a {layer}", 0.3)
        model[f"{module}.lora_B.weight"] = tiny.matrix(width, 2, f"b {layer}", 0.3)
    said: dict[str, Any] = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["o_proj"]}
    said |= {"task_type": "CAUSAL_LM", "base_model_name_or_path": "inputs/base", "bias": "none"}
    tiny.write_adapter(folder, model, **said)
