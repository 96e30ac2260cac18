"""What is wrong with a conversation, whatever its shape was: what would be dropped or trained wrongly. Pure.

Facts of LLaMA-Factory 0.9.5: turns must alternate and end with the assistant, else the whole row is dropped
with a warning that only a first run shows (data/converter.py); control tokens inside text become the real
ones; a thought in another spelling than its own is neither removed nor replaced, and suppresses the empty
thought (data/template.py); `{{idx}}` in a question is replaced by the turn's number (data/formatter.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.datasets.base import (
    ASSISTANT,
    FUNCTION_CALL,
    OBSERVATION,
    SYSTEM,
    USER,
    Conversation,
    Message,
    RowProblem,
    excerpt,
)

ASKING, ANSWERING = (USER, OBSERVATION), (ASSISTANT, FUNCTION_CALL)

_SUSPECT = re.compile(r"<[|｜]|</?think>|\{\{idx\}\}")
_CONTROL_TOKEN = re.compile(r"<\|[^|<>\s]{1,48}\|>|<｜[^｜<>\s]{1,48}｜>")
_THOUGHT = re.compile(r"<think>\n.*\n</think>\n\n(?!\n)", re.DOTALL)
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\ufeff]")


def faults(conversation: Conversation) -> Iterator[RowProblem]:
    """Every reason why a conversation cannot be trained as it stands."""
    yield from _order(conversation)
    for index, message in enumerate(conversation):
        yield from _empty(message)
        if _SUSPECT.search(message["content"]):
            yield from _tokens(message)
        if message["role"] == ASSISTANT and index < len(conversation) - 1:
            yield from _opening(message)


def oddities(conversation: Conversation) -> Iterator[str]:
    """The kinds of things that train as they are, and that somebody may want to know of."""
    for message in conversation:
        text = message["content"]
        if "\ufffd" in text:
            yield "replacement characters (U+FFFD)"
        if not text.isprintable() and _INVISIBLE.search(text):
            yield "invisible control characters"


def _order(conversation: Conversation) -> Iterator[RowProblem]:
    roles = [message["role"] for message in conversation]
    turns = roles[1:] if roles[:1] == [SYSTEM] else roles
    if not turns:
        yield RowProblem("no turns", "there is no question and no answer", "delete the row")
        return
    for index, role in enumerate(turns):
        expected = (ASKING, ANSWERING)[index % 2]
        if role not in expected:
            what = f"turn {index + 1} is from {role}, and {expected[0]} should speak"
            mend = "user and assistant take turns, user first; system only at the very start"
            yield RowProblem("order of roles", what, mend)
            return
    if len(turns) % 2:
        yield RowProblem("no last answer", "the conversation ends with a question", "add the answer")


def _empty(message: Message) -> Iterator[RowProblem]:
    if not message["content"].strip():
        what = f"the {message['role']}'s text is empty"
        yield RowProblem(f"empty {message['role']}", what, "write it, or delete the row")


def _tokens(message: Message) -> Iterator[RowProblem]:
    text, role = message["content"], message["role"]
    for token in dict.fromkeys(_CONTROL_TOKEN.findall(text)):
        what = f"{excerpt(token)} in the {role}'s text would become a control token: {excerpt(text)}"
        yield RowProblem("control token", what, "delete it, or write it another way")
    if role == USER and "{{idx}}" in text:
        what = f'"{{{{idx}}}}" would be replaced by the turn\'s number: {excerpt(text)}'
        yield RowProblem("{{idx}}", what, "write it another way")
    yield from _thought(text, role)


def _thought(text: str, role: str) -> Iterator[RowProblem]:
    opened, closed = text.count("<think>"), text.count("</think>")
    if not opened and not closed:
        return
    if role != ASSISTANT:
        what = f"a thought's mark in the {role}'s text: {excerpt(text)}"
        yield RowProblem("control token", what, "delete it, or write it another way")
    elif (opened, closed) != (1, 1) or not (found := _THOUGHT.match(text)) or found.end() == len(text):
        what = f"the thought is spelled in a way that is trained, but never recognised: {excerpt(text)}"
        mend = r"write <think>\n…\n</think>\n\n and then the answer"
        yield RowProblem("thought", what, mend)


def _opening(message: Message) -> Iterator[RowProblem]:
    """An earlier answer that opens with a line break: no server can send the tokens it is trained with."""
    text = message["content"]
    opening = text[: len(text) - len(text.lstrip())]
    if text.strip() and "\n" in opening:
        what = f"an earlier answer opens with a line break: {excerpt(text)}"
        yield RowProblem("line break", what, "delete the line break")
