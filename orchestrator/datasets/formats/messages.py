"""Lists of messages, {"from", "value"} or {"role", "content"}, for the formats that have them.

The usual names of the roles are accepted, in any case. `reasoning_content` becomes the answer's thought, as
LLaMA-Factory writes it; a tool call becomes a turn of its own, with its arguments as a JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

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
    type_name,
)
from orchestrator.datasets.formats.base import (
    ANSWERS,
    MEDIA,
    Columns,
    refuse_unread,
    required_list,
    required_text,
    system_of,
    with_thought,
)

ROLES: Mapping[str, str] = {
    **dict.fromkeys(("user", "human", "prompter", "用户"), USER),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "助手"), ASSISTANT),
    **dict.fromkeys(("system", "developer", "系统"), SYSTEM),
    **dict.fromkeys(("observation", "tool", "function"), OBSERVATION),
    "function_call": FUNCTION_CALL,
}
# Where servers and datasets put the thought, beside the content.
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog")
MEDIA_PARTS = ("image", "image_url", "input_image", "video", "video_url", "audio", "input_audio")


def read_system_and_turns(row: Row, columns: Columns, shape: str) -> Conversation:
    """The system prompt beside the list of messages, and the messages."""
    refuse_unread(row, "tools", *MEDIA, *ANSWERS)
    return system_of(row, columns) + read_turns(row, columns, shape)


def read_turns(row: Row, columns: Columns, shape: str) -> Conversation:
    """The list of messages in a row; `columns`: messages, role, content; `shape`: an example row."""
    turns = required_list(row, columns["messages"], shape, "messages")
    return [read_turn(turn, columns, shape) for turn in turns]


def read_turn(turn: object, columns: Columns, shape: str) -> Message:
    """One message; `columns`: role and content."""
    if not isinstance(turn, dict):
        raise RowProblem("shape", f"a message is {type_name(turn)}: {excerpt(turn)}", f"a row is {shape}")
    written, text = turn.get(columns["role"]), turn.get(columns["content"])
    if len(turn) == 2 and type(written) is type(text) is str and written in ROLES:  # noqa: PLR2004 - the usual case
        return {"role": ROLES[written], "content": text}
    refuse_unread(turn, "function_call", "refusal", "audio")
    role = role_of(required_text(turn, columns["role"]))
    if turn.get("tool_calls"):
        return _tool_calls(turn, role, columns["content"])
    content = _joined(text) if isinstance(text, list) else None
    if content is None:
        content = required_text(turn, columns["content"])
    if turn.get("weight", 1) != 1:  # it would be trained with weight 1
        what = f"a message has a weight, which is not read: {excerpt(turn['weight'])}"
        raise RowProblem("unread weight", what, "delete the row, or the weight if you do not need it")
    return {"role": role, "content": _with_thought(turn, content)}


def _with_thought(turn: Row, content: str) -> str:
    keys = [key for key in THOUGHTS if turn.get(key)]
    if any(turn[key] != turn[keys[0]] for key in keys):
        what = f"several thoughts for one answer, in {', '.join(keys)}: {excerpt(content)}"
        raise RowProblem("thought", what, "keep one of them")
    return with_thought(turn, keys[0], content) if keys else content


def role_of(name: str) -> str:
    """The role that a name stands for.

    >>> role_of("Human"), role_of("gpt"), role_of("developer")
    ('user', 'assistant', 'system')
    """
    role = ROLES.get(name) or ROLES.get(name.strip().casefold())
    if role is None:
        raise RowProblem("unknown role", f"no role named {excerpt(name)}", f"roles: {', '.join(ROLES)}")
    return role


def _tool_calls(turn: Row, role: str, content: str) -> Message:
    """Tool calls as LLaMA-Factory reads them: {"name", "arguments"}, or a list of several."""
    if role != ASSISTANT:
        raise RowProblem("shape", f"{role} calls a tool: {excerpt(turn)}", "only the assistant calls tools")
    # A turn that calls a tool cannot hold text as well.
    refuse_unread(turn, content, *THOUGHTS)
    if not isinstance(turn["tool_calls"], list):
        raise _not_a_call(turn["tool_calls"])
    calls = [_call(call) for call in turn["tool_calls"]]
    text = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
    return {"role": FUNCTION_CALL, "content": text}


def _call(call: object) -> dict[str, object]:
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
    hint = 'write {"function": {"name": "…", "arguments": "{…}"}}, with the arguments as a JSON object'
    return RowProblem("function call", f'cannot read a call in "tool_calls": {excerpt(call)}', hint)


def _joined(parts: list[object]) -> str | None:
    """Text parts joined by line breaks, as servers do; None for a list of anything else."""
    texts = []
    for part in parts:
        if not isinstance(part, dict):
            return None
        kind = part.get("type")
        if kind in MEDIA_PARTS:
            what = f"a part of the content is an image, a video or audio: {excerpt(part)}"
            raise RowProblem("image", what, "only text can be trained; delete the row")
        if kind != "text" or not isinstance(part.get("text"), str):
            what = f"a part of the content is not text: {excerpt(part)}"
            raise RowProblem("unread part", what, "only text can be trained; delete the part")
        texts.append(part["text"])
    return "\n".join(texts) if texts else None


def tags_of(turns: object) -> dict[str, str]:
    """The keys of role and content in a list of messages; empty if neither spelling fits."""
    first = turns[0] if isinstance(turns, list) and turns else turns
    if isinstance(first, dict):
        if "from" in first:
            return {"role": "from", "content": "value"}
        if "role" in first:
            return {"role": "role", "content": "content"}
    return {}


def messages_in(row: Row) -> dict[str, str]:
    """The columns messages, role and content of a row with a list of messages; empty for another row."""
    for key in LISTS:
        if isinstance(row.get(key), list) and (tags := tags_of(row[key])):
            return {"messages": key, **tags}
    return {}
