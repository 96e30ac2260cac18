"""Repairs of rows, by the kind of what is wrong with them. Pure.

VALUES repair a value that a format refused; SAFE repair a conversation without losing anything that could be
trained correctly; OPTIONAL change what somebody wrote, and the user names them. Only what has one possible
meaning is repaired. What a repair cannot fix stays, and is counted as a fault.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping

from orchestrator.datasets.base import ASSISTANT, DOCUMENT, SYSTEM, USER, Conversation, Message, RowProblem
from orchestrator.datasets.faults import ANSWERING, CONTROL_TOKEN
from orchestrator.datasets.warnings import CARD, EMAIL, IDENTITY, INVISIBLE, MARK, PHONE, is_card, is_identity

_THOUGHT = re.compile(r"\s*(?:<think>)?(.*?)</think>(.*)", re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>|</p>\s*<p>", re.IGNORECASE)
_TAG = re.compile(r"</?(?:p|div|span)(?:\s[^<>]*)?>", re.IGNORECASE)
_SIDES = (("user", "human", "question", "prompt", "问"), ("assistant", "gpt", "answer", "response", "答"))
LABELS: Mapping[str, bool] = {
    **dict.fromkeys(
        (*("1", "1.0", "true", "yes", "good", "like", "liked"), *("是", "好", "赞", "点赞", "喜欢", "好评")),
        True,
    ),
    **dict.fromkeys(
        (
            *("0", "0.0", "false", "no", "bad", "dislike", "disliked"),
            *("否", "坏", "差", "踩", "点踩", "不喜欢", "差评"),
        ),
        False,
    ),
}

Repair = Callable[[Conversation], Conversation]


def fix_value(problem: RowProblem) -> bool:
    """Repair the value that a problem names, in its row; False if it cannot be repaired."""
    repair = VALUES.get(problem.kind)
    if repair is None or not isinstance(problem.inside, dict) or problem.column not in problem.inside:
        return False
    fixed = repair(problem.inside[problem.column])
    if fixed is None:
        return False
    problem.inside[problem.column] = fixed
    return True


def as_text(value: object) -> str | None:
    """A number, true or false as JSON writes it; the only text of a list.

    >>> as_text(3), as_text(True), as_text(["好"]), as_text(["a", "b"]), as_text({})
    ('3', 'true', '好', None, None)
    """
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    return None


def as_list(value: object) -> list[object] | None:
    """A list that was written as text."""
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def as_pairs(value: object) -> list[list[str]] | None:
    """A history as pairs: a flat list of questions and answers, objects of two texts, or JSON text of either.

    >>> as_pairs(["你好", "您好"]), as_pairs([{"user": "一", "assistant": "二"}]), as_pairs(["a"])
    ([['你好', '您好']], [['一', '二']], None)
    """
    items = as_list(value) if isinstance(value, str) else value
    if not isinstance(items, list):
        return [] if value == "" else None
    if all(isinstance(text, str) for text in items):
        whole = len(items) % 2 == 0
        return [list(pair) for pair in zip(items[::2], items[1::2], strict=True)] if whole else None
    pairs = [_pair(item) for item in items]
    return None if None in pairs else [pair for pair in pairs if pair]


def _pair(item: object) -> list[str] | None:
    if isinstance(item, dict):
        item = [next((item[key] for key in keys if key in item), None) for keys in _SIDES]
    if isinstance(item, list) and len(item) == len(_SIDES) and all(isinstance(text, str) for text in item):
        return item
    return None


def as_label(value: object) -> bool | None:
    """Whether an answer is good, from 0, 1 or a word."""
    return LABELS.get(str(value).strip().casefold())


def without_answer(value: object) -> list[object] | None:
    """The messages before the last one, which repeats the better answer."""
    return value[:-1] if isinstance(value, list) and len(value) > 1 else None


# kind of problem → repair of the value; the repair returns None if it cannot fix the value.
VALUES: Mapping[str, Callable[[object], object]] = {
    "not text": as_text,
    "history": as_pairs,
    "list as text": as_list,
    "label": as_label,
    "answer in prompt": without_answer,
}


def drop_first_answers(conversation: Conversation) -> Conversation:
    """Delete the answers before the first question."""
    systems = [message for message in conversation if message["role"] == SYSTEM]
    turns = [message for message in conversation if message["role"] != SYSTEM]
    asking = (index for index, message in enumerate(turns) if message["role"] not in ANSWERING)
    return systems + turns[next(asking, len(turns)) :]


def drop_last_question(conversation: Conversation) -> Conversation:
    """Delete the unanswered question at the end."""
    return conversation[:-1]


def join_systems(conversation: Conversation) -> Conversation:
    """Join the system messages at the start."""
    count = next(index for index, message in enumerate(conversation) if message["role"] != SYSTEM)
    text = "\n".join(message["content"] for message in conversation[:count])
    return [{"role": SYSTEM, "content": text}, *conversation[count:]]


def drop_empty_system(conversation: Conversation) -> Conversation:
    """Delete an empty system message."""
    return [one for one in conversation if one["role"] != SYSTEM or one["content"].strip()]


def delete_tokens(conversation: Conversation) -> Conversation:
    """Delete control tokens, and the marks of a thought outside an answer."""
    return _each(conversation, _without_tokens)


def _without_tokens(message: Message) -> str:
    text = CONTROL_TOKEN.sub("", message["content"])
    return (
        text
        if message["role"] in (ASSISTANT, DOCUMENT)
        else text.replace("<think>", "").replace("</think>", "")
    )


def part_index(conversation: Conversation) -> Conversation:
    """Write `{{idx}}` with spaces inside, which LLaMA-Factory does not replace."""
    return _each(conversation, lambda message: message["content"].replace("{{idx}}", "{{ idx }}"))


def spell_thoughts(conversation: Conversation) -> Conversation:
    r"""Write thoughts as LLaMA-Factory does.

    >>> spell_thoughts([{"role": "assistant", "content": "<think>嗯</think>好"}])[0]["content"]
    '<think>\n嗯\n</think>\n\n好'
    """
    return _each(conversation, _spelled)


def _spelled(message: Message) -> str:
    text = message["content"]
    found = _THOUGHT.fullmatch(text) if message["role"] == ASSISTANT else None
    if found is None or text.count("</think>") > 1 or text.count("<think>") > 1:
        return text
    thought, answer = found[1].strip("\n"), found[2].lstrip("\n")
    return f"<think>\n{thought}\n</think>\n\n{answer}" if answer.strip() else text


def strip_openings(conversation: Conversation) -> Conversation:
    """Delete the line breaks at the start of answers."""
    return _each(
        conversation,
        lambda one: one["content"].lstrip("\r\n") if one["role"] == ASSISTANT else one["content"],
    )


def delete_invisible(conversation: Conversation) -> Conversation:
    """Delete control characters, U+200B and U+FEFF."""
    return _each(conversation, lambda message: INVISIBLE.sub("", message["content"]))


def plain_line_ends(conversation: Conversation) -> Conversation:
    """Replace carriage returns with line feeds."""
    return _each(conversation, lambda message: message["content"].replace("\r\n", "\n").replace("\r", "\n"))


def delete_marks(conversation: Conversation) -> Conversation:
    """Delete the speaker's mark at the start of a text."""
    return _each(conversation, lambda message: MARK.sub("", message["content"], count=1))


def merge_turns(conversation: Conversation) -> Conversation:
    """Join consecutive turns of one speaker with a line break."""
    merged: Conversation = []
    for message in conversation:
        if merged and merged[-1]["role"] == message["role"] and message["role"] in (USER, ASSISTANT):
            merged[-1] = {**message, "content": f"{merged[-1]['content']}\n{message['content']}"}
        else:
            merged.append(message)
    return merged


def plain_markup(conversation: Conversation) -> Conversation:
    """Replace HTML line breaks and entities with characters, and delete paragraph tags; keep other <."""
    return _each(conversation, lambda message: _without_markup(message["content"]))


def _without_markup(text: str) -> str:
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text))).replace("\xa0", " ")


def mask_personal(conversation: Conversation) -> Conversation:
    """Replace phone numbers, identity cards, bank cards and e-mail addresses with stars."""
    return _each(conversation, lambda message: masked(message["content"]))


def masked(text: str) -> str:
    """A text whose personal data is replaced with stars."""
    text = IDENTITY.sub(lambda found: "***" if is_identity(found[0]) else found[0], text)
    text = CARD.sub(lambda found: "***" if is_card(found[0]) else found[0], text)
    return EMAIL.sub("***", PHONE.sub("***", text))


def _each(conversation: Conversation, change: Callable[[Message], str]) -> Conversation:
    return [{**message, "content": change(message)} for message in conversation]


# kind of fault or warning → repair, in the order in which they are applied.
SAFE: Mapping[str, Repair] = {
    "invisible control characters": delete_invisible,
    "line ends (CR LF)": plain_line_ends,
    "control token": delete_tokens,
    "{{idx}}": part_index,
    "speaker's mark left in": delete_marks,
    "thought": spell_thoughts,
    "line break": strip_openings,
    "empty system": drop_empty_system,
    "several systems": join_systems,
    "first turn is an answer": drop_first_answers,
    "no last answer": drop_last_question,
}

# name given to --also → (kinds that it repairs, repair).
OPTIONAL: Mapping[str, tuple[tuple[str, ...], Repair]] = {
    "merge-turns": (("order of roles",), merge_turns),
    "markup": (("markup",), plain_markup),
    "mask-pii": (("phone number", "identity card", "bank card", "e-mail"), mask_personal),
}


def repairs_for(also: frozenset[str]) -> Mapping[str, Repair]:
    """Kind → repair: the safe ones, and the optional ones with these names."""
    optional = {kind: repair for name in also for kinds, repair in [OPTIONAL[name]] for kind in kinds}
    return {**SAFE, **optional}
