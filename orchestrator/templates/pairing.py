"""Pairs a chat template with the training it reproduces, and recognises a model's own chat template.

On disk a pairing is chat_templates/NAME.jinja, passed to vLLM unchanged, and NAME.yaml:

    training: deepseekr1          LLaMA-Factory's template
    thinking: "on"                on, off, mixed; any if it changes no token
    history: keep                 keep, strip; any if it changes no token
    reasoning_parser: deepseek_r1 vLLM's, or none
    source: …                     what wrote the jinja, or where it comes from
    sha256: …                     of the jinja's UTF-8 bytes
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypedDict

import yaml

from orchestrator.errors import Problem, UsageError
from orchestrator.templates.families import FAMILIES, layout_of
from orchestrator.templates.writer import (
    ANY,
    HISTORY,
    THINKING,
    History,
    Thinking,
    settings_of,
    write_jinja,
)

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEYS = ("training", "thinking", "history", "reasoning_parser", "source", "sha256")


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A jinja and the training it reproduces.

    Attributes:
        name: the file name in chat_templates/, without suffix.
        training, thinking, history: LLaMA-Factory's template and the two settings that change tokens; `any`
            if a setting changes none.
        reasoning_parser: the engine's; None for none.
        source: what wrote the jinja, or where it comes from.
    """

    name: str
    training: str
    thinking: str
    history: str
    reasoning_parser: str | None
    text: str
    sha256: str
    source: str = ""

    def reproduces(self, training: str, thinking: str, history: str) -> bool:
        """Whether it produces the prompts of a training with these settings."""
        fits = self.thinking in {thinking, ANY} and self.history in {history, ANY}
        return fits and self.training == training


def name_of(training: str, thinking: str, history: str) -> str:
    """The file name of a pairing that Conch writes.

    >>> name_of("deepseekr1", "on", "keep"), name_of("qwen", "any", "any")
    ('deepseekr1-on-keep', 'qwen')
    """
    return "-".join([training, *(value for value in (thinking, history) if value != ANY)])


def choose(templates: Mapping[str, ChatTemplate], training: str, thinking: str, history: str) -> ChatTemplate:
    """The pairing that reproduces a training, preferably Conch's own; UsageError lists all pairings."""
    found = _chosen(templates, training, thinking, history)
    if found:
        return found
    have = ", ".join(sorted(templates)) or "none"
    raise UsageError(
        Problem(
            f"no chat template reproduces template {training} with thinking {thinking} and history {history};"
            f" available: {have}",
            hint="set template.name, template.thinking and template.history to one of these, or add a pairing"
            " to chat_templates/",
        )
    )


def _chosen(
    templates: Mapping[str, ChatTemplate], training: str, thinking: str, history: str
) -> ChatTemplate | None:
    found = [one for one in templates.values() if one.reproduces(training, thinking, history)]
    own = {name_of(training, thinking, history), training}
    return min(
        found,
        key=lambda one: (one.name not in own, ANY in (one.thinking, one.history), one.name),
        default=None,
    )


def read(name: str, yaml_text: str, jinja_text: str) -> ChatTemplate:
    """A pairing from its two files; UsageError if the YAML or the hash of the jinja is wrong."""
    where = f"chat_templates/{name}.yaml"
    try:
        values = yaml.load(yaml_text, Loader=_Loader)  # noqa: S506  a safe loader
    except yaml.YAMLError as error:
        raise UsageError(Problem(f"not YAML: {' '.join(str(error).split())}", where=where)) from None
    if not isinstance(values, dict):
        raise UsageError(Problem("a pairing is a mapping of keys to values", where=where))
    digest = digest_of(jinja_text)
    problems = _problems(values, where, digest, name)
    if problems:
        raise UsageError(*problems)
    parser = str(values["reasoning_parser"])
    return ChatTemplate(
        name=name,
        training=str(values["training"]),
        thinking=_switch(values["thinking"]),
        history=str(values["history"]),
        reasoning_parser=None if parser == "none" else parser,
        text=jinja_text,
        sha256=digest,
        source=str(values["source"]),
    )


class Cell(TypedDict):
    """One setting of a training template and its pairing; None if there is none."""

    thinking: str
    history: str
    template: str | None
    reasoning_parser: str | None
    source: str | None


class MatrixRow(TypedDict):
    """The cells of one training template."""

    training: str
    cells: list[Cell]


def matrix(templates: Mapping[str, ChatTemplate]) -> list[MatrixRow]:
    """The pairing of each setting of each training template, as `conch ls templates` shows it."""
    return [
        {
            "training": training,
            "cells": [_cell(templates, training, *settings) for settings in product(THINKING, HISTORY)],
        }
        for training in sorted({one.training for one in templates.values()})
    ]


def _cell(templates: Mapping[str, ChatTemplate], training: str, thinking: str, history: str) -> Cell:
    found = _chosen(templates, training, thinking, history)
    return {
        "thinking": thinking,
        "history": history,
        "template": found.name if found else None,
        "reasoning_parser": found.reasoning_parser if found else None,
        "source": found.source if found else None,
    }


@dataclass(frozen=True, slots=True)
class Recognised:
    """A training template's name; thinking and history if they are known too, else ""."""

    training: str
    thinking: str = ""
    history: str = ""


def recognise(jinja: str, model_type: str, templates: Mapping[str, ChatTemplate]) -> Recognised | None:
    """The training template that a model's own chat template belongs to; None if no family recognises it.

    The text of the jinja decides, not the model's name. If it equals a pairing, its settings are known too.

    >>> recognise("{{ '<|im_start|>' }}{% if enable_thinking %}<think></think>", "qwen3", {})
    Recognised(training='qwen3', thinking='', history='')
    >>> recognise("{{ messages }}", "gpt2", {}) is None
    True
    """
    text = jinja.strip()
    for one in templates.values():
        if text and one.text.strip() == text:
            thinking, history = ("" if value == ANY else value for value in (one.thinking, one.history))
            return Recognised(one.training, thinking, history)
    found = next((name for one in FAMILIES.values() if (name := one.recognise(text, model_type))), "")
    return Recognised(found) if found else None


def write_pairing(training: str, thinking: Thinking, history: History) -> tuple[str, str]:
    """(jinja text, YAML text) of a pairing that Conch writes."""
    jinja = write_jinja(training, thinking, history)
    thinking, history = settings_of(training, thinking, history)
    # With thinking off the model never opens a thought, so a parser would return no content at all.
    parser = "none" if thinking == "off" else layout_of(training).reasoning_parser
    return jinja, (
        f"training: {training}\n"
        f'thinking: "{thinking}"\n'
        f"history: {history}\n"
        f"reasoning_parser: {parser}\n"
        "source: written by orchestrator/templates/writer.py\n"
        f"sha256: {digest_of(jinja)}\n"
    )


def digest_of(text: str) -> str:
    """sha256 of the text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _switch(value: object) -> str:
    # YAML 1.1 reads an unquoted on/off as a boolean.
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _problems(values: Mapping[str, object], where: str, digest: str, name: str) -> list[Problem]:
    listed = ", ".join(_KEYS)
    problems = [
        Problem(f"{key} is missing; a pairing has {listed}", where) for key in _KEYS if key not in values
    ]
    problems += [
        Problem(f"unknown key {key}; a pairing has {listed}", where) for key in values if key not in _KEYS
    ]
    for key, allowed in (("thinking", (*THINKING, ANY)), ("history", (*HISTORY, ANY))):
        if key in values and _switch(values[key]) not in allowed:
            problems.append(Problem(f"{key}: {values[key]!r} is not one of {', '.join(allowed)}", where))
    if values.get("sha256", digest) != digest:
        problems.append(
            Problem(
                f"chat_templates/{name}.jinja was edited: its sha256 is {digest}",
                where,
                "restore the file, or set this sha256 in the YAML and check it with `conch parity`",
            )
        )
    return problems
