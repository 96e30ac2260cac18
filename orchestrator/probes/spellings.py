"""The spellings in which clients send an earlier answer back; serving_ids.py says what each is."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

Message = dict[str, Any]

THOUGHT = re.compile(r"\A<think>(.*?)</think>", re.DOTALL)
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"
TRAINED_THOUGHT = re.compile(r"<think>\n.*?\n</think>\n\n", re.DOTALL)
MARKED = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
# What stands between results that follow each other in one trained turn (LLaMA-Factory, data/converter.py).
NEXT_RESULT = "\n</tool_response>\n<tool_response>\n"
LOSSY = {"answer", "newlines"}


def request_of(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """(tools, messages) as a client sends a conversation of conversations.jsonl.

    Roles tools, function_call and observation become the list of tools, `tool_calls` and messages of role
    tool.
    """
    tools = json.loads(messages[0]["content"]) if messages and messages[0]["role"] == "tools" else []
    sent: list[Message] = []
    called = 0
    for message in messages[1:] if tools else messages:
        if message["role"] == "function_call":
            before, text = split_call(message["content"])
            calls = _dumped(text)
            listed = [
                {"id": f"call_{called + at}", "type": "function", "function": call}
                for at, call in enumerate(calls)
            ]
            called += len(calls)
            sent.append({"role": "assistant", "content": before, "tool_calls": listed})
        elif message["role"] == "observation":
            results = message["content"].split(NEXT_RESULT)
            first = max(called - len(results), 0)
            sent += [
                {"role": "tool", "content": text, "tool_call_id": f"call_{first + at}"}
                for at, text in enumerate(results)
            ]
        else:
            sent.append(message)
    return tools, sent


def calls_of(message: Message) -> Message:
    """The calls of an answer, which every spelling sends alike."""
    return {"tool_calls": message["tool_calls"]} if message.get("tool_calls") else {}


def split_call(content: str) -> tuple[str, str]:
    """(thought and text before the calls, the calls as JSON) of a trained turn that calls tools."""
    if marked := MARKED.search(content):
        return content[: marked.start()], marked[1]
    thought = TRAINED_THOUGHT.match(content)
    end = thought.end() if thought else 0
    return content[:end], content[end:]


def _dumped(text: str) -> list[Message]:
    """Calls with their arguments as JSON text, as a request has them."""
    found = json.loads(text)
    calls = found if isinstance(found, list) else [found]
    return [{**call, "arguments": json.dumps(call["arguments"], ensure_ascii=False)} for call in calls]


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
