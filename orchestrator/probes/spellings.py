"""The spellings in which clients send an earlier answer back; serving_ids.py says what each is."""

import re
from collections.abc import Callable, Sequence
from typing import Any

Message = dict[str, Any]

THOUGHT = re.compile(r"\A<think>(.*?)</think>", re.DOTALL)
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"
LOSSY = {"answer", "newlines"}


def without_blank_lines(text: str) -> str:
    r"""An answer as clients see it: without the blank lines before its first line, whose indentation stays.

    >>> without_blank_lines("\n\n  你好\n"), without_blank_lines("\n \n")
    ('  你好\n', '')
    """
    return BlankLines().strip(text)


class BlankLines:
    """Takes the blank lines off the start of a text that comes in pieces; what is only blank is held back."""

    def __init__(self) -> None:
        self._held: str | None = ""

    def strip(self, piece: str) -> str:
        """What of the text can be shown after this piece."""
        if self._held is None:
            return piece
        text = self._held + piece
        start = len(text) - len(text.lstrip())
        if start == len(text):
            self._held = text
            return ""
        self._held = None
        return text[text.rfind("\n", 0, start) + 1 :]


def is_bare(message: Message) -> bool:
    """Whether an answer holds no mark of a thought: then the trainer gives it an empty one."""
    content = message["content"]
    said = content if isinstance(content, str) else str(content)
    thought = message.get("reasoning") or message.get("reasoning_content")
    return not thought and "<think>" not in said and "</think>" not in said


def has_dropped(before: Sequence[Message], names: Sequence[str]) -> bool:
    """Whether messages in these spellings lack a thought that was trained."""
    if not set(names) <= LOSSY:
        return False
    return any(split(one["content"])[0].strip() for one in before if one["role"] == "assistant")


def split(content: str) -> tuple[str, str]:
    """(thought, answer) as a reasoning parser returns them; a missing thought was written as an empty one."""
    found = THOUGHT.match(content)
    if found:
        return found.group(1), content[found.end() :]
    if "<think>" in content or "</think>" in content:
        return "", content
    return "\n\n", "\n\n" + content


def as_it_is(spell: Callable[[Message], Message]) -> Callable[[Message], Message]:
    """The spelling of a plain template's answer: without a thought it was written without an empty one."""
    return lambda message: _message(message["content"]) if is_bare(message) else spell(message)


def _message(content: str, **fields: str) -> Message:
    return {"role": "assistant", "content": content} | fields


def _answer(message: Message) -> Message:
    return _message(split(message["content"])[1].removeprefix("\n\n"))


def _newlines(message: Message) -> Message:
    return _message("\n\n" + split(message["content"])[1].removeprefix("\n\n"))


def _reasoning(message: Message) -> Message:
    thought, answer = split(message["content"])
    return _message(answer, reasoning=thought)


def _trimmed(message: Message) -> Message:
    thought, answer = split(message["content"])
    return _message(answer.removeprefix("\n\n"), reasoning=thought.strip("\n"))


def _cleaned(message: Message) -> Message:
    thought, answer = split(message["content"])
    return _message(without_blank_lines(answer), reasoning=thought)


def _emitted(message: Message) -> Message:
    return _message(EMPTY_THOUGHT + message["content"] if is_bare(message) else message["content"])


SPELLINGS: dict[str, Callable[[Message], Message]] = {
    "thought": lambda message: _message(message["content"]),
    "answer": _answer,
    "newlines": _newlines,
    "reasoning": _reasoning,
    "cleaned": _cleaned,
    "trimmed": _trimmed,
    "emitted": _emitted,
}
