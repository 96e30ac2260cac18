"""A part of an answer, and how parts add up: text, thinking, tool calls, token ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, or a part of one: a stream sends its arguments in parts, under the call's index."""

    index: int
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """A whole answer, or one chunk of a stream."""

    content: str = ""
    reasoning: str = ""
    token_ids: tuple[int, ...] = ()
    finish_reason: str = ""
    calls: tuple[Call, ...] = ()

    def __add__(self, other: Delta) -> Delta:
        return Delta(
            self.content + other.content,
            self.reasoning + other.reasoning,
            self.token_ids + other.token_ids,
            other.finish_reason or self.finish_reason,
            _joined(self.calls + other.calls) if other.calls else self.calls,
        )

    @property
    def tool_calls(self) -> tuple[Mapping[str, str], ...]:
        """The calls as in a Turn: {"name", "arguments"}, the arguments as unparsed text."""
        return tuple({"name": call.name, "arguments": call.arguments} for call in self.calls)


def delta_of(choice: object, part: str) -> Delta:
    """What a choice of the OpenAI library holds under "message" or "delta"."""
    message = getattr(choice, part, None)
    reasoning = getattr(message, "reasoning", None) or getattr(message, "reasoning_content", None)
    return Delta(
        content=getattr(message, "content", None) or "",
        reasoning=reasoning if isinstance(reasoning, str) else "",
        token_ids=tuple(getattr(choice, "token_ids", None) or ()),
        finish_reason=getattr(choice, "finish_reason", None) or "",
        calls=tuple(_call(at, call) for at, call in enumerate(getattr(message, "tool_calls", None) or ())),
    )


def _call(at: int, call: object) -> Call:
    index = getattr(call, "index", None)
    function = getattr(call, "function", None)
    name, arguments = (getattr(function, key, None) or "" for key in ("name", "arguments"))
    return Call(at if index is None else index, str(name), arguments if isinstance(arguments, str) else "")


def _joined(calls: tuple[Call, ...]) -> tuple[Call, ...]:
    together: dict[int, Call] = {}
    for call in calls:
        before = together.get(call.index, Call(call.index))
        together[call.index] = Call(call.index, before.name or call.name, before.arguments + call.arguments)
    return tuple(together[index] for index in sorted(together))
