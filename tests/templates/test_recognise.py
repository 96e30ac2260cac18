"""A model's own chat template and the training template it belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.execute.project.discovery import read_templates
from orchestrator.templates.pairing import Recognised, recognise

TEMPLATES = read_templates(Path(__file__).parents[2])


@pytest.mark.parametrize(
    ("jinja", "model_type", "training"),
    [
        ("<｜User｜>…<｜Assistant｜>…</think>", "qwen2", "deepseekr1"),
        ("<｜User｜>…<｜Assistant｜>", "deepseek_v3", "deepseek3"),
        ("<|start_header_id|>…<|eot_id|>", "llama", "llama3"),
        ("<|im_start|>…<think>…</think>", "qwen3_moe", "qwen3"),
        ("<|im_start|>…", "qwen3", "qwen3_nothink"),
        ("<|im_start|>system\nYou are Qwen", "qwen2", "qwen"),
        ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM", "llama", "smollm2"),
        ("<|im_start|>…", "llama", "chatml"),
    ],
)
def test_families_are_told_by_what_is_written(jinja: str, model_type: str, training: str) -> None:
    assert recognise(jinja, model_type, TEMPLATES) == Recognised(training)


def test_a_chat_template_of_ours_says_all_about_itself() -> None:
    ours = TEMPLATES["deepseekr1-on-keep"].text
    assert recognise(ours + "\n", "qwen2", TEMPLATES) == Recognised("deepseekr1", "on", "keep")
    assert recognise(TEMPLATES["llama3"].text, "llama", TEMPLATES) == Recognised("llama3")


@pytest.mark.parametrize("jinja", ["", "[INST] {{ message }} [/INST]"])
def test_what_is_not_known_is_not_guessed(jinja: str) -> None:
    assert recognise(jinja, "mistral", TEMPLATES) is None
