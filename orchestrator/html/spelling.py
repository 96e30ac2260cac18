r"""Text with visible white space and escapes for invisible characters. Pure."""

from __future__ import annotations

import unicodedata

_SIGNS = {" ": "␣", "\n": "↵\n", "\t": "⇥", "\r": "␍", "\u3000": "□"}
_KEPT = frozenset("\n\t\u200d")  # the last joins the parts of an emoji
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs", "Cn"})


def spelled(text: str) -> str:
    r"""A token's text with every character visible.

    >>> spelled(" 海\n\u200b")
    '␣海↵\n\\u200b'
    """
    return "".join(_spelled(character) for character in text)


def shown(text: str) -> str:
    r"""Text with escapes for control and direction characters; lines and spaces stay.

    >>> shown("a\u202eb\x00\n海\u3000螺")
    'a\\u202eb\\x00\n海\u3000螺'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text.replace("\r\n", "\n"))


def _shown(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN - {"Zs", "Cn"}:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _spelled(character: str) -> str:
    sign = _SIGNS.get(character)
    if sign is not None:
        return sign
    if unicodedata.category(character) in _HIDDEN:
        return character.encode("unicode_escape").decode("ascii")
    return character
