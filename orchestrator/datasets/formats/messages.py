"""Lists of messages, {"from", "value"} or {"role", "content"}, for the formats that have them.

The usual names of the roles are accepted, in any case. `reasoning_content` becomes the answer's thought, as
LLaMA-Factory writes it; a tool call becomes a turn of its own, with its arguments as a JSON object. A list of
content parts, as servers or LLaMA-Factory's newer files write it, is read as the message that it stands for.
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
    Columns,
    media_problem,
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
MEDIA_PARTS = (
    *("image", "image_url", "input_image", "video", "video_url", "audio", "audio_url", "input_audio"),
)
# Type of a content part → where its text is; LLaMA-Factory's newer files call it `value`.
PART_TEXTS = {"text": ("text", "value"), "reasoning": ("value",), "tool_call": ("value",)}
# A message's share in the loss; every answer is trained whole, and nothing else is.
WEIGHTS = ("weight", "loss_weight")


def read_system_and_turns(row: Row, columns: Columns, shape: str) -> Conversation:
    """The system prompt beside the list of messages, and the messages."""
    refuse_unread(row, "tools", *ANSWERS)
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
    # Other values stay in the row's own object, which a repair changes.
    if isinstance(text, list) and (said := _joined(text, columns["content"])):
        turn = {**turn, **said}
    _refuse_weight(turn, role)
    if turn.get("tool_calls"):
        return _tool_calls(turn, role, columns["content"])
    return {"role": role, "content": _with_thought(turn, required_text(turn, columns["content"]))}


def _refuse_weight(turn: Row, role: str) -> None:
    """Refuse a message whose share in the loss would not be the one that it asks for."""
    trained = role in (ASSISTANT, FUNCTION_CALL)
    for key in WEIGHTS:
        usual = (1, None) if trained else (0, 1, None)
        if turn.get(key) not in usual:
            what = f"a message has a weight, which is not read: {excerpt(turn[key])}"
            raise RowProblem("unread weight", what, "delete the row, or the weight if you do not need it")


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


def _joined(parts: list[object], content: str) -> Row:
    """What a list of content parts says, as the keys of a message; none for a list of anything else.

    Text parts are joined by line breaks, as servers do.
    """
    found: dict[str, list[str]] = {kind: [] for kind in PART_TEXTS}
    for part in parts:
        if not isinstance(part, dict):
            return {}
        kind = part.get("type")
        if kind in MEDIA_PARTS:
            raise media_problem("a part of the content", part)
        keys = PART_TEXTS.get(kind, ()) if isinstance(kind, str) else ()
        text = next((part[key] for key in keys if isinstance(part.get(key), str)), None)
        if text is None:
            what = f"a part of the content is not text: {excerpt(part)}"
            raise RowProblem("unread part", what, "only text can be trained; delete the part")
        found[str(kind)].append(text)
    if not parts:
        return {}
    said: dict[str, object] = {content: "\n".join(found["text"])}
    if found["reasoning"]:
        said[THOUGHTS[0]] = "\n".join(found["reasoning"])
    if found["tool_call"]:
        said["tool_calls"] = [_call_in(text) for text in found["tool_call"]]
    return said


def _call_in(text: str) -> object:
    """A call that was written as text; what is no JSON is refused where calls are read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


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
