"""Oddities of a conversation, which do not prevent training. Pure.

`warnings_of` makes the fast checks, for every text; `peculiarities` makes the slow ones, for a thorough
audit. Each yields (kind, text); a kind is a stable name by which rows are counted. `is_plain` decides on the
JSON of a row, very fast, that there is nothing to find.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

from orchestrator.datasets.base import (
    ASSISTANT,
    DOCUMENT,
    FUNCTION_CALL,
    OBSERVATION,
    USER,
    Conversation,
    Message,
    RowProblem,
)
from orchestrator.datasets.tool_rows import calls_in, declared_names

INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\ufeff]")
MARKUP = re.compile(
    r"</?(?:br|p|div|span|a|b|i|u|strong|em|ul|ol|li|table|tr|td|th|img|font|h[1-6])(?:\s+[a-z-]+\s*=[^<>]*)?\s*/?>"
    r"|&(?:nbsp|lt|gt|amp|quot|#\d{1,6});",
    re.IGNORECASE,
)
# The speaker's mark at the start of a text.
MARK = re.compile(r"\s*(?:问|答|用户|助手|患者|医生|Human|Assistant|User|Question|Answer|Q|A)\s?[:：]\s*")
PHONE = re.compile(r"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")
IDENTITY = re.compile(r"(?<![0-9])[1-9][0-9]{16}[0-9Xx](?![0-9])")
CARD = re.compile(r"(?<![0-9])[1-9][0-9]{15,18}(?![0-9])")
EMAIL = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+", re.ASCII)
# UTF-8 read as Latin-1 or cp1252, GBK read as UTF-8, UTF-8 read as GBK. The last two contain 锟 or 锛 (half
# of a ，), which are rare in other text.
_GARBLED = re.compile(
    "[ÃÂ][\x80-\xbf]|[äåæçèé][\x80-\xbf‚-›]|ï¼|â€|锟斤拷|锛.{0,4}[銆锛鐨鏄涓]|[銆鐨鏄涓].{0,4}锛", re.DOTALL
)

# Kinds whose text is never shown.
PERSONAL = frozenset({"phone number", "identity card", "bank card", "e-mail"})

FEWEST_CUT = 20
ENDS = frozenset("。！？；：…～~.!?;:)）】」』”’\"'`*>}]|—-_=$ \n")
TRADITIONAL = frozenset("們這為來說國時會學對發個過還後麼沒開關見長門問間現電話車東馬魚鳥樂藥醫")
SIMPLIFIED = frozenset("们这为来说国时会学对发个过还后么没开关见长门问间现电话车东马鱼鸟乐药医")
REFUSALS = ("作为一个AI", "作为AI", "作为一名AI", "作为人工智能", "作为一个人工智能", "As an AI")

# A plain text has no <, @, &, DEL, bytes that occur only in garbled Chinese, {{, escapes other than line
# breaks, tabs and quotes, and no number as long as a phone number. To search a row, only these bytes are
# kept, and what separates two numbers (、 by its first byte), with each class as one character.
_CLASSES = {b"0123456789": b"0", b"<@&\x7f\xc2\xc3": b"<", b"bfru": b"u", b"\\": b"\\", b"{": b"{"}
_BETWEEN = b"\xe3 ,.:-/"
_KEPT = b"".join(_CLASSES) + _BETWEEN
_DELETED = bytes(byte for byte in range(256) if byte not in _KEPT)
_SIGNS = {byte: sign[0] for members, sign in _CLASSES.items() for byte in members}
_CLASS = bytes(_SIGNS.get(byte, byte) for byte in range(256))
_LONG_NUMBER, _ESCAPE, _NOTABLE, _BACKSLASH = b"0" * 11, b"\\u", ord("<"), ord("\\")


def is_plain(line: bytes) -> bool:
    r"""Whether a row as orjson writes it has none of the bytes that a closer look would find.

    Does not cover U+FFFD and invisible characters outside ASCII: Chinese has similar bytes everywhere.

    >>> is_plain('{"a":"头疼\\n"}'.encode()), is_plain(b'{"a":"<br>"}'), is_plain(b'{"a":"13812345678"}')
    (True, False, False)
    """
    marks = line.translate(_CLASS, _DELETED)
    if _NOTABLE in marks or marks.find(_LONG_NUMBER) >= 0 or marks.find(b"{{") >= 0:
        return False
    return _BACKSLASH not in marks or marks.find(_ESCAPE) < 0


def warnings_of(conversation: Conversation) -> Iterator[tuple[str, str]]:
    """(kind, text) of the fast checks."""
    if any(message["role"] in {FUNCTION_CALL, OBSERVATION} for message in conversation):
        yield from _tool_turns(conversation)
    for message in conversation:
        text = message["content"]
        yield from _characters(text)
        if message["role"] != DOCUMENT and MARK.match(text):
            yield "speaker's mark left in", text
        if ("<" in text or "&" in text) and MARKUP.search(text):
            yield "markup", text
        if "@" in text and EMAIL.search(text):
            yield "e-mail", text
        # Expressions are slow, so they run only if the bytes show that there may be a match.
        marks = text.encode("utf-8", "replace").translate(_CLASS, _DELETED)
        if _LONG_NUMBER in marks:
            yield from _numbers(text)
        if _is_garbled(text, marks):
            yield "mojibake", text


def _tool_turns(conversation: Conversation) -> Iterator[tuple[str, str]]:
    """Turns that no request holds: a server knows the declared tools, and a result follows a call."""
    names = declared_names(conversation)
    for before, message in pairwise([{"role": "", "content": ""}, *conversation]):
        if message["role"] == OBSERVATION and before["role"] != FUNCTION_CALL:
            yield "result without a call", message["content"]
        if message["role"] == FUNCTION_CALL:
            with suppress(RowProblem):
                unknown = {str(call["name"]) for call in calls_in(message["content"])} - names
                yield from (("call of an undeclared tool", name) for name in sorted(unknown))
        if before["role"] == FUNCTION_CALL and message["role"] == USER:
            yield "call without a result", before["content"]


def _characters(text: str) -> Iterator[tuple[str, str]]:
    if "\ufffd" in text:
        yield "replacement characters (U+FFFD)", text
    if not text.isprintable():
        if INVISIBLE.search(text):
            yield "invisible control characters", text
        if "\r" in text:
            yield "line ends (CR LF)", text


def _is_garbled(text: str, marks: bytes) -> bool:
    return (b"<" in marks or "锟" in text or "锛" in text) and _GARBLED.search(text) is not None


def _numbers(text: str) -> Iterator[tuple[str, str]]:
    if PHONE.search(text):
        yield "phone number", text
    if any(is_identity(found) for found in IDENTITY.findall(text)):
        yield "identity card", text
    elif any(is_card(found) for found in CARD.findall(text)):
        yield "bank card", text


def peculiarities(conversation: Conversation) -> Iterator[tuple[str, str]]:
    """(kind, text) of the slow checks, and of matters of taste."""
    together = set[str]().union(*(message["content"] for message in conversation))
    if len(together & TRADITIONAL) > 1 and len(together & SIMPLIFIED) > 1:
        yield "traditional and simplified mixed", conversation[-1]["content"]
    last = conversation[-1] if conversation else None
    if last and last["role"] == ASSISTANT:
        yield from _answer(last)


def _answer(message: Message) -> Iterator[tuple[str, str]]:
    text = message["content"].rstrip()
    if len(text) >= FEWEST_CUT and text[-1] not in ENDS:
        yield "answer looks cut off", text[-FEWEST_CUT:]
    if text.startswith(REFUSALS):
        yield "answer is a refusal", text


def is_identity(number: str) -> bool:
    """Whether 18 characters are a Chinese identity card's number, by the check character (GB 11643-1999).

    >>> is_identity("11010519491231002X"), is_identity("110105194912310021")
    (True, False)
    """
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))
    return "10X98765432"[total % 11] == number[-1].upper()


def is_card(number: str) -> bool:
    """Whether digits are the number of a bank card, by the Luhn sum (ISO/IEC 7812-1).

    >>> is_card("6222020200112230009"), is_card("4111111111111111"), is_card("4111111111111112")
    (False, True, False)
    """
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
