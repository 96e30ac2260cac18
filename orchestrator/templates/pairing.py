"""A chat template and what it belongs to: the training template, its settings, and the reasoning parser.

On disk a pairing is chat_templates/NAME.jinja, given to vLLM as it is, and NAME.yaml:

    training: deepseekr1          LLaMA-Factory's template
    thinking: "on"                on, off, mixed; any where it changes no token
    history: keep                 keep, strip; any where it changes no token
    reasoning_parser: deepseek_r1 vLLM's, or none
    source: …                     what wrote the jinja, or where it was taken from
    sha256: …                     of the jinja's UTF-8 bytes
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import yaml

from orchestrator.errors import Problem, UsageError
from orchestrator.templates.writer import (
    ANY,
    HISTORY,
    THINKING,
    History,
    Thinking,
    layout_of,
    settings_of,
    write_jinja,
)

# A model that never opens a thought has no parser: vLLM's would take the whole answer for thinking, and the
# client would get content null.
REASONING_PARSERS: dict[str, str] = {"deepseekr1": "deepseek_r1", "qwen3": "qwen3"}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEYS = ("training", "thinking", "history", "reasoning_parser", "source", "sha256")


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A jinja and the training it reproduces.

    Attributes:
        name: its file's name in chat_templates/, without suffix.
        training, thinking, history: LLaMA-Factory's template and the two settings that change tokens; `any`
            where a setting changes none.
        reasoning_parser: the name of the engine's reasoning parser; None for no parser.
        text: the jinja.
        sha256: of the text's UTF-8 bytes, in hex.
        source: what wrote the jinja, or where it was taken from.
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
        """Whether it asks as a training with these settings taught."""
        fits = self.thinking in {thinking, ANY} and self.history in {history, ANY}
        return fits and self.training == training


def name_of(training: str, thinking: str, history: str) -> str:
    """The one file name of a pairing that Conch wrote.

    >>> name_of("deepseekr1", "on", "keep"), name_of("qwen", "any", "any")
    ('deepseekr1-on-keep', 'qwen')
    """
    return "-".join([training, *(value for value in (thinking, history) if value != ANY)])


def choose(templates: Mapping[str, ChatTemplate], training: str, thinking: str, history: str) -> ChatTemplate:
    """The pairing that reproduces that training; Conch's own before one that was added under another name.

    Raises:
        UsageError: there is none; it lists what there is.
    """
    found = _chosen(templates, training, thinking, history)
    if found:
        return found
    have = ", ".join(sorted(templates)) or "none"
    raise UsageError(
        Problem(
            f"no chat template reproduces template {training} with thinking {thinking} and history {history};"
            f" there is: {have}",
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
    """A pairing from the texts of its two files.

    Raises:
        UsageError: the YAML is not one, keys are missing or unknown, or the jinja is not the one it names.
    """
    where = f"chat_templates/{name}.yaml"
    try:
        values = yaml.load(yaml_text, Loader=_Loader)  # noqa: S506  a safe one, libyaml's where it is
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


def matrix(templates: Mapping[str, ChatTemplate]) -> list[dict[str, Any]]:
    """For each training template the pairing of every setting, as `conch ls templates` shows it.

    {"training", "cells": [{"thinking", "history", "template", "reasoning_parser", "source"}]}, a template of
    None where there is no pairing.
    """
    rows = []
    for training in sorted({one.training for one in templates.values()}):
        cells = []
        for thinking, history in product(THINKING, HISTORY):
            found = _chosen(templates, training, thinking, history)
            told = (found.name, found.reasoning_parser, found.source) if found else (None, None, None)
            keys = ("template", "reasoning_parser", "source")
            cells.append({"thinking": thinking, "history": history, **dict(zip(keys, told, strict=True))})
        rows.append({"training": training, "cells": cells})
    return rows


def write_pairing(training: str, thinking: Thinking, history: History) -> tuple[str, str]:
    """(jinja text, YAML text) of a pairing that Conch writes."""
    jinja = write_jinja(training, thinking, history)
    thinking, history = settings_of(training, thinking, history)
    parser = REASONING_PARSERS[training] if layout_of(training).reasons and thinking != "off" else "none"
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


def _switch(value: Any) -> str:
    # YAML 1.1 reads a bare on/off as a boolean.
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _problems(values: Mapping[str, Any], where: str, digest: str, name: str) -> list[Problem]:
    listed = ", ".join(_KEYS)
    problems = [
        Problem(f"{key} is missing; a pairing has {listed}", where) for key in _KEYS if key not in values
    ]
    problems += [
        Problem(f"unknown key {key}; a pairing has {listed}", where) for key in values if key not in _KEYS
    ]
    for key, allowed in (("thinking", (*THINKING, ANY)), ("history", (*HISTORY, ANY))):
        if key in values and _switch(values[key]) not in allowed:
            problems.append(Problem(f"{key}: {values[key]!r} is none of {', '.join(allowed)}", where))
    if values.get("sha256", digest) != digest:
        problems.append(
            Problem(
                f"chat_templates/{name}.jinja was edited: its sha256 is {digest}",
                where,
                "restore the file, or put this sha256 into the YAML and prove it with `conch parity`",
            )
        )
    return problems
