r"""dpo_messages: {"chosen": [messages], "rejected": [messages]}, or both "\n\nHuman: …\n\nAssistant: …".

The shapes of UltraFeedback, of TRL and of Anthropic's HH. What both have in common is the prompt, and the
last message of each is its answer. A `prompt` of messages stands before them, as does one that says who
speaks and ends with "Assistant:"; another text is the question itself when the two do not hold it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.datasets.base import (
    ASSISTANT,
    DPO,
    SYSTEM,
    USER,
    Conversation,
    Pair,
    Row,
    RowProblem,
    excerpt,
    optional_text,
    refuse_unread,
    required_text,
)
from orchestrator.datasets.turns import read_turns, tags_of

name = "dpo_messages"
purpose = DPO
shape = (
    '{"chosen": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "better"}], '
    '"rejected": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "worse"}]}'
)
columns: Mapping[str, str] = {
    "prompt": "prompt",
    "chosen": "chosen",
    "rejected": "rejected",
    "role": "role",
    "content": "content",
    "system": "system",
}

_MARK = re.compile(r"(?:^|\n\n)(Human|Assistant):")
_SPEAKERS = {"Human": USER, "Assistant": ASSISTANT}


def sniff(row: Row) -> bool:
    """Whether it has two lists of messages, or two texts that say who speaks."""
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if isinstance(chosen, str) and isinstance(rejected, str):
        asked = _asked(row, "prompt")
        return bool(asked) or all(
            _MARK.match(text) and "\n\nAssistant:" in text for text in (chosen, rejected)
        )
    return isinstance(rejected, list) and isinstance(chosen, list) and bool(tags_of(chosen))


def resolve(row: Row) -> Mapping[str, str]:
    """What the parts of a message are called in a file with rows like this one."""
    return tags_of(row.get("chosen"))


def read(row: Row, columns: Mapping[str, str]) -> Pair:
    """What both sides have in common, and how each ends."""
    refuse_unread(row, "tools", "images", "videos", "audios")
    sides = [_messages(row, columns["chosen"], columns), _messages(row, columns["rejected"], columns)]
    prompts, answers = [side[:-1] for side in sides], [_answer(side) for side in sides]
    if prompts[0] != prompts[1]:
        at = _first_difference(*prompts)
        shown = excerpt(sides[0][at]["content"])
        what = f"chosen and rejected differ before their last answers, at message {at + 1}: {shown}"
        raise RowProblem("shape", what, "both must ask the same, up to the last answer")
    return Pair([*_before(row, columns, prompts[0]), *prompts[0]], answers[0], answers[1])


def _messages(row: Row, column: str, columns: Mapping[str, str]) -> Conversation:
    value = row.get(column)
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return read_turns(row, {**columns, "messages": column}, shape)
    if _asked(row, columns["prompt"]):
        return [{"role": ASSISTANT, "content": value.removeprefix(" ")}]
    spoken = _spoken(value)
    if not spoken:
        what = f'"{column}" does not begin with Human: {excerpt(value)}'
        raise RowProblem("shape", what, "write who speaks before each text, after an empty line")
    return spoken


def _asked(row: Row, column: str) -> Conversation:
    """A prompt that says who speaks, up to where the answer belongs; empty for another."""
    prompt = row.get(column)
    return _spoken(prompt)[:-1] if isinstance(prompt, str) and prompt.endswith("\n\nAssistant:") else []


def _spoken(value: str) -> Conversation:
    """The turns of a text that says who speaks; empty for another."""
    marks = list(_MARK.finditer(value))
    if not marks or marks[0].start():
        return []
    ends = [*(mark.start() for mark in marks[1:]), len(value)]
    # One space after the mark is HH's; it is no part of the text.
    return [
        {"role": _SPEAKERS[mark[1]], "content": value[mark.end() : end].removeprefix(" ")}
        for mark, end in zip(marks, ends, strict=True)
    ]


def _answer(side: Conversation) -> str:
    if not side or side[-1]["role"] != ASSISTANT:
        what = f"it does not end with an answer: {excerpt(side[-1]['content'] if side else '')}"
        raise RowProblem("shape", what, f"a row is {shape}")
    return side[-1]["content"]


def _first_difference(one: Conversation, other: Conversation) -> int:
    pairs = zip(one, other, strict=False)
    shorter = min(len(one), len(other))
    return next((index for index, (a, b) in enumerate(pairs) if a != b), shorter)


def _before(row: Row, columns: Mapping[str, str], common: Conversation) -> Conversation:
    """What the row says apart from its two sides."""
    system = optional_text(row, columns["system"])
    first: Conversation = [{"role": SYSTEM, "content": system}] if system else []
    prompt: Any = row.get(columns["prompt"])
    if isinstance(prompt, list):
        told = read_turns(row, {**columns, "messages": columns["prompt"]}, shape)
        # Both sides may tell the whole conversation again.
        return first if common[: len(told)] == told else first + told
    if asked := _asked(row, columns["prompt"]):
        return first + asked
    if prompt is None or any(turn["role"] == USER for turn in common):
        return first
    return [*first, {"role": USER, "content": required_text(row, columns["prompt"])}]
