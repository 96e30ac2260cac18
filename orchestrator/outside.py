r"""The one gate for text that Conch did not write: answers, messages of servers, file names, logs.

Such text may hold escape sequences, turn the direction of a line, repeat a secret, or be endless. Everything
that is printed, logged, or put into JSON or a page passes `visible` and `redact` where it leaves Conch
(cli/text/terminal.py, execute/host/tell.py, html/layout.py). `Outside` marks it where it enters: it is not a
str, so mypy refuses it where a message is expected, and an f-string gets its shown form.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping

MASK = "***"
LONGEST = 300
# Control, format (bidi overrides, zero-width, tags), surrogate, private use, line and paragraph separators.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Tokens of the hubs, and keys as OpenAI's clients and servers write them.
_LOOKS = re.compile(r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|ms-[0-9a-f]{8}-[0-9a-f-]{20,})")
_HEADER = re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+)[^\s\"']+")
_USER = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*:/{1,2})[^\s/?#@\"'<>]+@")
_QUERY = re.compile(
    r"(?i)([?&;](?:[a-z0-9_.-]*(?:token|secret|password|passwd|signature|credential)|[a-z0-9_.-]*api[_-]?key"
    r"|key|access[_-]?key|auth|sig)=)[^&;#\s\"'<>]+"
)


class Outside:
    r"""Text from outside. str() and f-strings give it on one line, visible, masked and cut.

    `raw` is the text itself, to compare and to send back, never to show. `secrets` are what the sender may
    repeat: the key that was sent to it.

    >>> said = Outside("no\x1b[2J key sk-1 at http://me:pw@host", secrets=["sk-1"])
    >>> f"the server says: {said}"
    'the server says: no\\x1b[2J key *** at http://***@host'
    """

    __slots__ = ("_limit", "_secrets", "raw")

    def __init__(self, raw: object, *, secrets: Iterable[str] = (), limit: int = LONGEST) -> None:
        try:
            self.raw = raw if isinstance(raw, str) else str(raw)
        except RecursionError:
            self.raw = "a value that is nested too deeply"
        self._secrets, self._limit = tuple(secrets), limit

    def __str__(self) -> str:
        # Masked before it is cut: half a secret is not found.
        return one_line(redact(self.raw[: 4 * self._limit + LONGEST], self._secrets), self._limit)

    def __repr__(self) -> str:
        return f"Outside({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outside) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)


def visible(text: str, keep: str = "\n\t") -> str:
    r"""Escape every control and invisible character except newline and tab.

    >>> visible("\x1b[2J你好\u202e")
    '\\x1b[2J你好\\u202e'
    """
    plain = text
    for character in keep:
        plain = plain.replace(character, "")
    if plain.isprintable():  # nearly always, and a page of a plan has 60,000 characters
        return text
    return "".join(
        character
        if character in keep or unicodedata.category(character) not in HIDDEN
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def one_line(text: str, limit: int = 0) -> str:
    """The visible text on one line, cut to `limit` characters when that is above 0."""
    line = " ".join(visible(text).split())
    return line if not limit or len(line) <= limit else line[: limit - 1] + "…"


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with the secrets masked, and what looks like one: tokens, keys, passwords in addresses.

    >>> redact("Authorization: Bearer abc and hf_" + "A" * 30 + " http://h/?api_key=x&n=1", [])
    'Authorization: Bearer *** and *** http://h/?api_key=***&n=1'
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    text = _USER.sub(rf"\1{MASK}@", _QUERY.sub(rf"\1{MASK}", text))
    return _LOOKS.sub(MASK, _HEADER.sub(rf"\1{MASK}", text))


def listed(names: Iterable[Outside], most: int = 10) -> str:
    """Names for a message: the first few, and how many more there are; "none" for none.

    >>> listed(map(Outside, "abc"), most=2)
    'a, b and 1 more'
    """
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return (", ".join(map(str, every[:most])) or "none") + more


def json_text(value: object, secrets: Iterable[str] = (), *, indent: int | None = None) -> str:
    r"""A value as JSON that a terminal can show: readers get the same text, hidden characters are escapes.

    >>> json_text({"answer": "好\x9b\u202e"})
    '{"answer": "好\\u009b\\u202e"}'
    """
    text = json.dumps(_masked(value, tuple(secrets)), ensure_ascii=False, default=str, indent=indent)
    if text.isascii():  # json.dumps escapes the control characters of ASCII, DEL apart
        return text.replace("\x7f", "\\u007f")
    return "".join(_json_shown(character) for character in text)


def _masked(value: object, secrets: tuple[str, ...]) -> object:
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, Mapping):
        return {_masked(key, secrets): _masked(one, secrets) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one, secrets) for one in value]
    return value


def _json_shown(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in HIDDEN:
        return character
    return json.dumps(character)[1:-1]
