r"""Text as it can be seen: spaces, line ends and what is invisible get a sign of their own. Pure."""

from __future__ import annotations

import unicodedata

_SIGNS = {" ": "␣", "\n": "↵\n", "\t": "⇥", "\r": "␍", "\u3000": "□"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs", "Cn"})


def spelled(text: str) -> str:
    r"""A token's text with nothing in it that cannot be seen.

    >>> spelled(" 海\n\u200b")
    '␣海↵\n\\u200b'
    """
    return "".join(_spelled(character) for character in text)


def _spelled(character: str) -> str:
    sign = _SIGNS.get(character)
    if sign is not None:
        return sign
    if unicodedata.category(character) in _HIDDEN:
        return character.encode("unicode_escape").decode("ascii")
    return character
