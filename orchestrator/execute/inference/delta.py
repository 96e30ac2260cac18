"""A part of an answer, and how parts add up: text, thinking, tool calls, token ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


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

    @property
    def tool_calls(self) -> tuple[Mapping[str, str], ...]:
        """The calls as in a Turn: {"name", "arguments"}, the arguments as unparsed text."""
        return tuple({"name": call.name, "arguments": call.arguments} for call in self.calls)


def joined(deltas: Iterable[Delta]) -> Delta:
    """The chunks of a stream as one answer; the last finish reason counts."""
    every = list(deltas)
    return Delta(
        "".join(one.content for one in every),
        "".join(one.reasoning for one in every),
        tuple(chain.from_iterable(one.token_ids for one in every)),
        next((one.finish_reason for one in reversed(every) if one.finish_reason), ""),
        _together(chain.from_iterable(one.calls for one in every)),
    )


def delta_of(choice: object, part: str) -> Delta:
    """What a choice of a chat completion holds under "message" or "delta".

    Raises ValueError, with a sentence, where the answer is not text.
    """
    choice = _object(choice, "a choice")
    message = _object(choice.get(part), f'"{part}"')
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    ids = choice.get("token_ids") or ()
    calls = message.get("tool_calls") or ()
    return Delta(
        content=_text(message, "content"),
        reasoning=_whole(reasoning) if isinstance(reasoning, str) else "",
        token_ids=tuple(ids) if isinstance(ids, list) and all(type(one) is int for one in ids) else (),
        finish_reason=_text(choice, "finish_reason"),
        calls=tuple(_call(at, call) for at, call in enumerate(calls)) if isinstance(calls, list) else (),
    )


def _object(value: object, name: str) -> Mapping[str, object]:
    """A JSON object; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"the answer has an unknown shape: {name} is {_KINDS[type(value)]}")  # noqa: TRY004
    return value


def _text(fields: Mapping[str, object], key: str) -> str:
    """A text; "" for null."""
    value = fields.get(key)
    if not isinstance(value, str | None):
        raise ValueError(f'the answer has an unknown shape: "{key}" is {_KINDS[type(value)]}, not text')  # noqa: TRY004
    return _whole(value or "")


def _whole(text: str) -> str:
    """The text without halves of characters: JSON can hold them, and nothing can write them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _call(at: int, call: object) -> Call:
    fields = call if isinstance(call, dict) else {}
    index, function = fields.get("index"), fields.get("function")
    named = function if isinstance(function, dict) else {}
    name, arguments = (named.get(key) or "" for key in ("name", "arguments"))
    return Call(
        index if isinstance(index, int) else at,
        _whole(str(name)),
        _whole(arguments) if isinstance(arguments, str) else "",
    )


def _together(calls: Iterable[Call]) -> tuple[Call, ...]:
    names: dict[int, str] = {}
    arguments: dict[int, list[str]] = {}
    for call in calls:
        names[call.index] = names.get(call.index) or call.name
        arguments.setdefault(call.index, []).append(call.arguments)
    return tuple(Call(index, names[index], "".join(arguments[index])) for index in sorted(names))
