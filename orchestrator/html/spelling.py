r"""Text with visible white space and escapes for invisible characters. Pure."""

from __future__ import annotations

import unicodedata

from orchestrator.outside import HIDDEN, visible

_SIGNS = {" ": "␣", "\n": "↵\n", "\t": "⇥", "\r": "␍", "\u3000": "□"}
_KEPT = "\n\t\u200d"  # the last joins the parts of an emoji


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
    return visible(text.replace("\r\n", "\n"), keep=_KEPT)


def _spelled(character: str) -> str:
    sign = _SIGNS.get(character)
    if sign is not None:
        return sign
    if unicodedata.category(character) in HIDDEN | {"Zs", "Cn"}:
        return character.encode("unicode_escape").decode("ascii")
    return character
