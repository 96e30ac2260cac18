"""Which training template a model's own chat template belongs to, where that can be told. Pure.

Told by what the jinja writes, not by the model's name. Covered: the families that Conch writes a chat
template for. Not covered: a model without a chat template, and families that Conch has none for; they are
not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.templates.pairing import ChatTemplate
from orchestrator.templates.writer import ANY


@dataclass(frozen=True, slots=True)
class Recognised:
    """A training template's name; thinking and history where they can be told as well, else ""."""

    training: str
    thinking: str = ""
    history: str = ""


def recognise(jinja: str, model_type: str, templates: Mapping[str, ChatTemplate]) -> Recognised | None:
    """What a model is asked by.

    Args:
        jinja: the model's own chat template; "" for none.
        model_type: of its config.json.
        templates: every pairing in chat_templates/; one of these very texts says all about itself.

    >>> recognise("{{ '<|im_start|>' }}{% if enable_thinking %}<think></think>", "qwen3", {})
    Recognised(training='qwen3', thinking='', history='')
    >>> recognise("{{ messages }}", "gpt2", {}) is None
    True
    """
    text = jinja.strip()
    for one in templates.values():
        if text and one.text.strip() == text:
            said = ("" if value == ANY else value for value in (one.thinking, one.history))
            return Recognised(one.training, *said)
    found = _family(text, model_type)
    return Recognised(found) if found else None


def _family(jinja: str, model_type: str) -> str:
    thinks = "</think>" in jinja
    if "<｜Assistant｜>" in jinja:
        return "deepseekr1" if thinks else "deepseek3"
    if "<|start_header_id|>" in jinja and "<|eot_id|>" in jinja:
        return "llama3"
    if "<|im_start|>" not in jinja:
        return ""
    if model_type.startswith("qwen3"):
        return "qwen3" if thinks else "qwen3_nothink"
    if model_type.startswith("qwen2"):
        return "qwen"
    return "smollm2" if "SmolLM" in jinja else "chatml"
