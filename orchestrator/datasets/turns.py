"""Lists of messages, {"from", "value"} or {"role", "content"}, and what may stand beside. Pure.

Shared by the formats of conversations, of pairs and of labelled answers. The usual names of the roles are
understood, in any case. `reasoning_content` becomes the answer's thought as LLaMA-Factory spells it; a call
of a tool becomes a turn of its own, with its arguments as JSON and not as JSON inside a text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.datasets.base import (
    ASSISTANT,
    FUNCTION_CALL,
    OBSERVATION,
    SYSTEM,
    USER,
    Conversation,
    Message,
    Row,
    RowProblem,
    excerpt,
    refuse_unread,
    required_list,
    required_text,
    type_name,
    with_thought,
)

ROLES: Mapping[str, str] = {
    **dict.fromkeys(("user", "human", "prompter", "用户"), USER),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "助手"), ASSISTANT),
    **dict.fromkeys(("system", "developer", "系统"), SYSTEM),
    **dict.fromkeys(("observation", "tool", "function"), OBSERVATION),
    "function_call": FUNCTION_CALL,
}
# Where servers and data sets put what was thought, beside what was said.
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog")
PICTURES = ("image", "image_url", "input_image", "video", "video_url", "audio", "input_audio")


def read_turns(row: Row, columns: Mapping[str, str], shape: str) -> Conversation:
    """The list of messages in a row; `columns`: messages, role, content; `shape`: of a row, for messages."""
    turns = required_list(row, columns["messages"], shape, "messages")
    return [read_turn(turn, columns, shape) for turn in turns]


def read_turn(turn: Any, columns: Mapping[str, str], shape: str) -> Message:
    """One message; `columns`: role and content."""
    if not isinstance(turn, dict):
        raise RowProblem("shape", f"a message is {type_name(turn)}: {excerpt(turn)}", f"a row is {shape}")
    written, text = turn.get(columns["role"]), turn.get(columns["content"])
    if len(turn) == 2 and type(written) is type(text) is str and written in ROLES:  # noqa: PLR2004 - nothing beside
        # As nearly all are.
        return {"role": ROLES[written], "content": text}
    refuse_unread(turn, "function_call", "refusal", "audio")
    role = role_of(required_text(turn, columns["role"]))
    if turn.get("tool_calls"):
        return _called(turn, role, columns["content"])
    said = _joined(text) if isinstance(text, list) else None
    if said is None:
        said = required_text(turn, columns["content"])
    if turn.get("weight", 1) != 1:
        # It would be trained all the same.
        what = f"a message has a weight, which is not read: {excerpt(turn['weight'])}"
        raise RowProblem("unread weight", what, "delete the row, or the weight if it may be lost")
    return {"role": role, "content": _thoughtful(turn, said)}


def _thoughtful(turn: Row, said: str) -> str:
    held = [key for key in THOUGHTS if turn.get(key)]
    if any(turn[key] != turn[held[0]] for key in held):
        what = f"there are several thoughts beside one answer, in {', '.join(held)}: {excerpt(said)}"
        raise RowProblem("thought", what, "leave one of them")
    return with_thought(turn, held[0], said) if held else said


def role_of(written: str) -> str:
    """The role that a name means.

    >>> role_of("Human"), role_of("gpt"), role_of("developer")
    ('user', 'assistant', 'system')
    """
    role = ROLES.get(written) or ROLES.get(written.strip().casefold())
    if role is None:
        raise RowProblem("unknown role", f"no role named {excerpt(written)}", f"roles: {', '.join(ROLES)}")
    return role


def _called(turn: Row, role: str, content: str) -> Message:
    """A call of tools as LLaMA-Factory reads it: {"name", "arguments"}, or a list of several."""
    if role != ASSISTANT:
        raise RowProblem("shape", f"{role} calls a tool: {excerpt(turn)}", "only the assistant calls tools")
    # A turn that calls has no place for words beside its call.
    refuse_unread(turn, content, *THOUGHTS)
    if not isinstance(turn["tool_calls"], list):
        raise _not_a_call(turn["tool_calls"])
    calls = [_call(call) for call in turn["tool_calls"]]
    said = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
    return {"role": FUNCTION_CALL, "content": said}


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise _not_a_call(call)
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            raise _not_a_call(call) from None
    if not isinstance(arguments, dict):
        raise _not_a_call(call)
    return {"name": function["name"], "arguments": arguments}


def _not_a_call(call: object) -> RowProblem:
    hint = 'write {"function": {"name": "…", "arguments": "{…}"}}, the arguments as a JSON object'
    return RowProblem("function call", f'a call in "tool_calls" cannot be read: {excerpt(call)}', hint)


def _joined(parts: list[Any]) -> str | None:
    """Text parts on lines of their own, what a server makes of them; None for a list of something else."""
    if not parts or not all(isinstance(part, dict) for part in parts):
        return None
    for part in parts:
        kind = part.get("type")
        if kind in PICTURES:
            what = f"a part of the content is a picture, a film or a sound, not text: {excerpt(part)}"
            raise RowProblem("image", what, "only text can be trained; delete the row")
        if kind != "text" or not isinstance(part.get("text"), str):
            what = f"a part of the content is not text: {excerpt(part)}"
            raise RowProblem("unread part", what, "only text can be trained; delete the part")
    return "\n".join(part["text"] for part in parts)


def tags_of(turns: Any) -> dict[str, str]:
    """What the role and the content are called in a list of messages; empty when neither spelling fits."""
    first = turns[0] if isinstance(turns, list) and turns else turns
    if isinstance(first, dict):
        if "from" in first:
            return {"role": "from", "content": "value"}
        if "role" in first:
            return {"role": "role", "content": "content"}
    return {}


def messages_in(row: Row) -> dict[str, str]:
    """The columns messages, role and content of a row that holds a list of messages; empty for another."""
    for key in LISTS:
        if isinstance(row.get(key), list) and (tags := tags_of(row[key])):
            return {"messages": key, **tags}
    return {}
