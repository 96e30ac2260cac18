"""Lists of messages, {"from", "value"} or {"role", "content"}, for the formats that have them.

The usual names of the roles are accepted, in any case. `reasoning_content` becomes the answer's thought, as
LLaMA-Factory writes it; a message that calls tools becomes a turn of role function_call (tool_rows.py). A
list of content parts, as servers or newer files of LLaMA-Factory write it, is read as the message it means.
"""

from __future__ import annotations

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
    optional_text,
    refuse_unread,
    required_list,
    required_text,
    system_of,
    with_thought,
)
from orchestrator.datasets.tool_rows import (
    call_message,
    calls_of,
    declared,
    not_a_call,
    read_call,
    together,
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
    """The tools and the system prompt beside the list of messages, and the messages."""
    refuse_unread(row, *ANSWERS)
    if "tools" in columns:
        return [*declared(row, columns["tools"]), *system_of(row, columns), *read_turns(row, columns, shape)]
    refuse_unread(row, "tools")
    return system_of(row, columns) + read_turns(row, columns, shape)


def read_turns(row: Row, columns: Columns, shape: str) -> Conversation:
    """The list of messages in a row; `columns`: messages, role, content; `shape`: an example row."""
    turns = required_list(row, columns["messages"], shape, "messages")
    return together([read_turn(turn, columns, shape) for turn in turns])


def read_turn(turn: object, columns: Columns, shape: str) -> Message:
    """One message; `columns`: role and content."""
    if not isinstance(turn, dict):
        raise RowProblem("shape", f"a message is {type_name(turn)}: {excerpt(turn)}", f"a row is {shape}")
    written, text = turn.get(columns["role"]), turn.get(columns["content"])
    if len(turn) == 2 and type(written) is type(text) is str and written in ROLES:  # noqa: PLR2004 - the usual case
        role = ROLES[written]
        return read_call(text) if role == FUNCTION_CALL else {"role": role, "content": text}
    refuse_unread(turn, "function_call", "refusal", "audio")
    role = role_of(required_text(turn, columns["role"]))
    # Other values stay in the row's own object, which a repair changes.
    if isinstance(text, list) and (said := _joined(text, columns["content"])):
        turn = {**turn, **said}
    _refuse_weight(turn, role)
    if calls := turn.get("tool_calls"):
        if role != ASSISTANT:
            what = f"{role} calls a tool: {excerpt(turn)}"
            raise RowProblem("shape", what, "only the assistant calls tools")
        if not isinstance(calls, list):
            raise not_a_call(calls)
        return call_message(_with_thought(turn, optional_text(turn, columns["content"])), calls)
    content = _with_thought(turn, required_text(turn, columns["content"]))
    return read_call(content) if role == FUNCTION_CALL else {"role": role, "content": content}


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
        said["tool_calls"] = [call for text in found["tool_call"] for call in calls_of(text)]
    return said


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
