"""Repairs of a conversation, by the kind of what is wrong with it. Pure.

SAFE are those that lose nothing that could have been trained rightly; OPTIONAL change what somebody wrote,
and are asked for by name. A repair takes the messages and gives new ones; what it cannot fix is still there
afterwards, and counted as a fault.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping

from orchestrator.datasets.base import ASSISTANT, SYSTEM, USER, Conversation, Message
from orchestrator.datasets.faults import ANSWERING, CONTROL_TOKEN
from orchestrator.datasets.warnings import CARD, EMAIL, IDENTITY, INVISIBLE, MARK, PHONE, is_card, is_identity

_THOUGHT = re.compile(r"\s*(?:<think>)?(.*?)</think>(.*)", re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>|</p>\s*<p>", re.IGNORECASE)
_TAG = re.compile(r"</?(?:p|div|span)(?:\s[^<>]*)?>", re.IGNORECASE)

Repair = Callable[[Conversation], Conversation]


def drop_first_answers(conversation: Conversation) -> Conversation:
    """Without the answers before the first question."""
    systems = [message for message in conversation if message["role"] == SYSTEM]
    turns = [message for message in conversation if message["role"] != SYSTEM]
    start = next(
        (index for index, message in enumerate(turns) if message["role"] not in ANSWERING), len(turns)
    )
    return systems + turns[start:]


def drop_last_question(conversation: Conversation) -> Conversation:
    """Without the question at the end that nobody answered."""
    return conversation[:-1]


def join_systems(conversation: Conversation) -> Conversation:
    """The system messages at the start as one."""
    count = next(index for index, message in enumerate(conversation) if message["role"] != SYSTEM)
    text = "\n".join(message["content"] for message in conversation[:count])
    return [{"role": SYSTEM, "content": text}, *conversation[count:]]


def drop_empty_system(conversation: Conversation) -> Conversation:
    """Without a system message that says nothing."""
    return [one for one in conversation if one["role"] != SYSTEM or one["content"].strip()]


def delete_tokens(conversation: Conversation) -> Conversation:
    """Without control tokens, and without a thought's marks outside an answer."""
    return _each(conversation, _without_tokens)


def _without_tokens(message: Message) -> str:
    text = CONTROL_TOKEN.sub("", message["content"])
    return text if message["role"] == ASSISTANT else text.replace("<think>", "").replace("</think>", "")


def part_index(conversation: Conversation) -> Conversation:
    """`{{idx}}` with spaces inside, which LLaMA-Factory leaves alone."""
    return _each(conversation, lambda message: message["content"].replace("{{idx}}", "{{ idx }}"))


def spell_thoughts(conversation: Conversation) -> Conversation:
    r"""Thoughts as LLaMA-Factory spells them.

    >>> spell_thoughts([{"role": "assistant", "content": "<think>嗯</think>好"}])[0]["content"]
    '<think>\n嗯\n</think>\n\n好'
    """
    return _each(conversation, _spelled)


def _spelled(message: Message) -> str:
    text = message["content"]
    found = _THOUGHT.fullmatch(text)
    if (
        message["role"] != ASSISTANT
        or found is None
        or text.count("</think>") > 1
        or text.count("<think>") > 1
    ):
        return text
    thought, answer = found[1].strip("\n"), found[2].lstrip("\n")
    return f"<think>\n{thought}\n</think>\n\n{answer}" if answer.strip() else text


def strip_openings(conversation: Conversation) -> Conversation:
    """Answers without line breaks before their first word."""
    return _each(
        conversation,
        lambda one: one["content"].lstrip("\r\n") if one["role"] == ASSISTANT else one["content"],
    )


def delete_invisible(conversation: Conversation) -> Conversation:
    """Without characters that nobody sees: control characters, U+200B, U+FEFF."""
    return _each(conversation, lambda message: INVISIBLE.sub("", message["content"]))


def plain_line_ends(conversation: Conversation) -> Conversation:
    """Line feeds where a carriage return stands."""
    return _each(conversation, lambda message: message["content"].replace("\r\n", "\n").replace("\r", "\n"))


def delete_marks(conversation: Conversation) -> Conversation:
    """Without who speaks at the start of a text."""
    return _each(conversation, lambda message: MARK.sub("", message["content"], count=1))


def merge_turns(conversation: Conversation) -> Conversation:
    """Two turns of one speaker, one after the other, as one of two lines."""
    merged: Conversation = []
    for message in conversation:
        if merged and merged[-1]["role"] == message["role"] and message["role"] in (USER, ASSISTANT):
            merged[-1] = {**message, "content": f"{merged[-1]['content']}\n{message['content']}"}
        else:
            merged.append(message)
    return merged


def plain_markup(conversation: Conversation) -> Conversation:
    """HTML's line breaks as such, its entities as characters, without paragraphs' tags; < is left alone."""
    return _each(
        conversation,
        lambda message: html.unescape(_TAG.sub("", _BREAK.sub("\n", message["content"]))).replace(
            "\xa0", " "
        ),
    )


def mask_personal(conversation: Conversation) -> Conversation:
    """With stars for phone numbers, identity cards, bank cards and e-mail addresses."""
    return _each(conversation, lambda message: _masked(message["content"]))


def _masked(text: str) -> str:
    text = IDENTITY.sub(lambda found: "***" if is_identity(found[0]) else found[0], text)
    text = CARD.sub(lambda found: "***" if is_card(found[0]) else found[0], text)
    return EMAIL.sub("***", PHONE.sub("***", text))


def _each(conversation: Conversation, change: Callable[[Message], str]) -> Conversation:
    return [{**message, "content": change(message)} for message in conversation]


# kind of fault or oddity → its repair, in the order in which they are applied.
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

# name given to --also → (the kind it is for, its repair).
OPTIONAL: Mapping[str, tuple[tuple[str, ...], Repair]] = {
    "merge-turns": (("order of roles",), merge_turns),
    "markup": (("markup",), plain_markup),
    "mask-pii": (("phone number", "identity card", "bank card", "e-mail"), mask_personal),
}


def repairs_for(also: frozenset[str]) -> Mapping[str, Repair]:
    """Kind → its repair: the safe ones, and the optional ones that were asked for by name."""
    asked = {kind: repair for name in also for kinds, repair in [OPTIONAL[name]] for kind in kinds}
    return {**SAFE, **asked}
