r"""dpo_messages: {"chosen": [messages], "rejected": [messages]}, or both "\n\nHuman: …\n\nAssistant: …".

The shapes of UltraFeedback, TRL, Anthropic's HH, and of LLaMA-Factory's v1 (`chosen_messages`). The messages
that both sides share are the prompt, and the last message of each side is its answer. A `prompt` of messages,
or one that marks the speakers and ends with "Assistant:", comes before them; any other text is the question,
unless the sides contain it.
"""

from __future__ import annotations

import re

from orchestrator.datasets.base import ASSISTANT, DPO, USER, Conversation, Pair, Row, RowProblem, excerpt
from orchestrator.datasets.formats.base import (
    ANSWERS,
    Columns,
    refuse_unread,
    required_text,
    system_of,
)
from orchestrator.datasets.formats.messages import read_turns, tags_of

name = "dpo_messages"
purpose = DPO
shape = (
    '{"chosen": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "better"}], '
    '"rejected": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "worse"}]}'
)
columns: Columns = {
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
    """Whether it has two lists of messages, or two texts that mark the speakers."""
    chosen, rejected = (row.get(column) for column in _sides(row).values())
    if isinstance(chosen, str) and isinstance(rejected, str):
        return bool(_marked_prompt(row, "prompt")) or all(
            _MARK.match(text) and "\n\nAssistant:" in text for text in (chosen, rejected)
        )
    return isinstance(rejected, list) and isinstance(chosen, list) and bool(tags_of(chosen))


def resolve(row: Row) -> Columns:
    """The names of the two sides, and the keys of a message."""
    sides = _sides(row)
    return {**sides, **tags_of(row.get(sides["chosen"]))}


def _sides(row: Row) -> dict[str, str]:
    return {side: next((key for key in (side, f"{side}_messages") if key in row), side) for side in ANSWERS}


def read(row: Row, columns: Columns) -> Pair:
    """The prompt that both sides share, and the answer of each."""
    refuse_unread(row, "tools")
    sides = [_messages(row, columns[side], columns) for side in ANSWERS]
    prompts, answers = [side[:-1] for side in sides], [_answer(side) for side in sides]
    if prompts[0] != prompts[1]:
        at = _first_difference(*prompts)
        shown = excerpt(sides[0][at]["content"])
        what = f"chosen and rejected differ before their last answers, at message {at + 1}: {shown}"
        raise RowProblem("shape", what, "both must have the same messages, except the last answer")
    return Pair([*_before(row, columns, prompts[0]), *prompts[0]], answers[0], answers[1])


def _messages(row: Row, column: str, columns: Columns) -> Conversation:
    value = row.get(column)
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return read_turns(row, {**columns, "messages": column}, shape)
    if _marked_prompt(row, columns["prompt"]):
        return [{"role": ASSISTANT, "content": value.removeprefix(" ")}]
    turns = _marked_turns(value)
    if not turns:
        what = f'"{column}" does not begin with Human: {excerpt(value)}'
        raise RowProblem("shape", what, "write the speaker before each text, after an empty line")
    return turns


def _marked_prompt(row: Row, column: str) -> Conversation:
    """A prompt that marks the speakers, up to where the answer belongs; empty for another prompt."""
    prompt = row.get(column)
    if isinstance(prompt, str) and prompt.endswith("\n\nAssistant:"):
        return _marked_turns(prompt)[:-1]
    return []


def _marked_turns(value: str) -> Conversation:
    """The turns of a text that marks the speakers; empty for another text."""
    marks = list(_MARK.finditer(value))
    if not marks or marks[0].start():
        return []
    ends = [*(mark.start() for mark in marks[1:]), len(value)]
    # HH writes one space after the mark, which is not part of the text.
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


def _before(row: Row, columns: Columns, shared: Conversation) -> Conversation:
    """The messages that are not part of the two sides."""
    first, prompt = system_of(row, columns), row.get(columns["prompt"])
    if isinstance(prompt, list):
        turns = read_turns(row, {**columns, "messages": columns["prompt"]}, shape)
        # Both sides may repeat the whole conversation.
        return first if shared[: len(turns)] == turns else first + turns
    if marked := _marked_prompt(row, columns["prompt"]):
        return first + marked
    if prompt is None or any(turn["role"] == USER for turn in shared):
        return first
    return [*first, {"role": USER, "content": required_text(row, columns["prompt"])}]
