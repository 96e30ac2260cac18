"""Faults of a conversation, whatever its format: what would be dropped or trained wrongly. Pure.

In LLaMA-Factory 0.9.5, turns must alternate and end with the assistant, or the whole row is dropped with a
warning that only the first run shows (data/converter.py); control tokens in text become real ones; a thought
that is not written in its own way is neither removed nor replaced, and suppresses the empty thought
(data/template.py); `{{idx}}` in a question is replaced with the turn's number (data/formatter.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orchestrator.datasets.base import (
    ASSISTANT,
    DOCUMENT,
    FUNCTION_CALL,
    OBSERVATION,
    SYSTEM,
    TOOLS,
    USER,
    Conversation,
    Example,
    KtoExample,
    Message,
    Pair,
    RowProblem,
    Text,
    excerpt,
)
from orchestrator.datasets.tool_rows import read_call, without_tools
from orchestrator.datasets.warnings import MARK

ASKING, ANSWERING = (USER, OBSERVATION), (ASSISTANT, FUNCTION_CALL)

_SUSPECT = re.compile(r"<[|｜]|</?think>|\{\{idx\}\}")
CONTROL_TOKEN = re.compile(r"<\|[^|<>\s]{1,48}\|>|<｜[^｜<>\s]{1,48}｜>")
_THOUGHT = re.compile(r"<think>\n.*\n</think>\n\n(?!\n)", re.DOTALL)
# First characters of a blank text, of an answer that opens with a line break, and of a speaker's mark.
_SPACES = "".join(char for char in map(chr, range(0x3001)) if char.isspace())
OPENINGS = frozenset(_SPACES + "问答用助患医HAUQ")


def faults(conversation: Conversation) -> Iterator[RowProblem]:
    """Every reason why a conversation cannot be trained as it is."""
    tools, conversation = without_tools(conversation)
    if tools:
        yield from _control_tokens({"role": TOOLS, "content": tools})
    yield from _order(conversation)
    for index, message in enumerate(conversation):
        yield from _empty(message)
        if _SUSPECT.search(message["content"]):
            yield from _tokens(message)
        if message["role"] == ASSISTANT and index < len(conversation) - 1:
            yield from _opening(message)
        if message["role"] == FUNCTION_CALL:
            yield from _call(message)


def faults_of(example: Example) -> Iterator[RowProblem]:
    """Every reason why a row of any purpose cannot be trained as it is."""
    if isinstance(example, Pair):
        yield from faults([*example.prompt, {"role": ASSISTANT, "content": example.chosen}])
        rejected = {"role": ASSISTANT, "content": example.rejected}
        yield from _empty(rejected)
        yield from _tokens(rejected)
        if example.chosen.split() == example.rejected.split():
            how = "are equal" if example.chosen == example.rejected else "differ in white space only"
            what = f"the better and the worse answer {how}: {excerpt(example.chosen)}"
            yield RowProblem("same answers", what, "delete the row: such a pair teaches no preference")
    elif isinstance(example, KtoExample):
        yield from faults(example.conversation)
    elif isinstance(example, Text):
        document = {"role": DOCUMENT, "content": example.text}
        if not example.text.strip():
            yield RowProblem("empty text", "the document is empty", "delete the row")
        yield from _control_tokens(document)
    else:
        yield from faults(example)


def is_whole(conversation: Conversation) -> bool:
    """Whether there is certainly neither a fault nor an odd character outside ASCII.

    For rows of which warnings.is_plain is true. If it is false, a closer look must decide.
    """
    expected = USER
    for message in conversation:
        text = message["content"]
        if not text or message["role"] != expected:
            return False
        if text[0] in OPENINGS and (text[0].isspace() or MARK.match(text)):
            return False
        if "\ufffd" in text or "\u200b" in text or "\ufeff" in text or "拷" in text or "锛" in text:
            return False
        expected = ASSISTANT if expected == USER else USER
    return expected == USER and bool(conversation)


def _order(conversation: Conversation) -> Iterator[RowProblem]:
    """The first violation of LLaMA-Factory's rule for turns."""
    roles = [message["role"] for message in conversation]
    leading = next((index for index, role in enumerate(roles) if role != SYSTEM), len(roles))
    turns = roles[leading:]
    if not turns:
        yield RowProblem("no turns", "no question and no answer", "delete the row")
    elif leading > 1:
        yield RowProblem("several systems", f"{leading} system messages", "write one")
    elif SYSTEM in turns:
        what = f"message {roles.index(SYSTEM, leading) + 1} is from system"
        yield RowProblem("system in the middle", what, "a system message can only be the first")
    elif turns[0] in ANSWERING:
        what = f"the conversation begins with an answer: {excerpt(conversation[leading]['content'])}"
        yield RowProblem("first turn is an answer", what, "begin with a question")
    else:
        yield from _alternation(turns)


def _alternation(turns: Sequence[str]) -> Iterator[RowProblem]:
    for index, role in enumerate(turns):
        expected = (ASKING, ANSWERING)[index % 2]
        if role not in expected:
            what = f"turn {index + 1} is from {role}, but {expected[0]} is expected"
            hint = "user and assistant must alternate, user first; only the first message can be system"
            yield RowProblem("order of roles", what, hint)
            return
    if len(turns) % 2:
        yield RowProblem("no last answer", "the conversation ends with a question", "add the answer")


def _empty(message: Message) -> Iterator[RowProblem]:
    if not message["content"].strip():
        what = f"the {message['role']}'s text is empty"
        yield RowProblem(f"empty {message['role']}", what, "write it, or delete the row")


def _call(message: Message) -> Iterator[RowProblem]:
    """A tool call: name and arguments, or a list of them; otherwise the run ends (data/formatter.py)."""
    try:
        read_call(message["content"])
    except RowProblem as problem:
        yield problem


def _control_tokens(message: Message) -> Iterator[RowProblem]:
    text, role = message["content"], message["role"]
    for token in dict.fromkeys(CONTROL_TOKEN.findall(text)):
        what = f"{excerpt(token)} in the {role}'s text would become a control token: {excerpt(text)}"
        yield RowProblem("control token", what, "delete it, or write it differently")


def _tokens(message: Message) -> Iterator[RowProblem]:
    text, role = message["content"], message["role"]
    yield from _control_tokens(message)
    if role == USER and "{{idx}}" in text:
        what = f'"{{{{idx}}}}" would be replaced with the turn\'s number: {excerpt(text)}'
        yield RowProblem("{{idx}}", what, "write it differently")
    yield from _thought(text, role)


def _thought(text: str, role: str) -> Iterator[RowProblem]:
    opened, closed = text.count("<think>"), text.count("</think>")
    if not opened and not closed:
        return
    if role not in ANSWERING:
        what = f"a thought tag in the {role}'s text: {excerpt(text)}"
        yield RowProblem("control token", what, "delete it, or write it differently")
    elif (opened, closed) != (1, 1) or not (found := _THOUGHT.match(text)) or found.end() == len(text):
        what = f"the thought is not written as LLaMA-Factory recognises it: {excerpt(text)}"
        hint = r"write <think>\n…\n</think>\n\n before the answer"
        yield RowProblem("thought", what, hint)


def _opening(message: Message) -> Iterator[RowProblem]:
    """An earlier answer that opens with a line break: a server cannot send the tokens of its training."""
    text = message["content"]
    opening = text[: len(text) - len(text.lstrip())]
    if text.strip() and "\n" in opening:
        what = f"an earlier answer opens with a line break: {excerpt(text)}"
        yield RowProblem("line break", what, "delete the line break")
