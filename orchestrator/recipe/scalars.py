"""What a plain (unquoted) YAML scalar means in a recipe.

YAML 1.1 where users rely on it (on, off, yes, no), 1.2 where 1.1 is surprising: 1e-4 is a number; 22:22, 0123
and 2024-01-01 are text.
"""

from __future__ import annotations

import re

_CONSTANTS: dict[str, bool | None] = {"": None, "~": None}
for _words, _value in (("null", None), ("yes on true", True), ("no off false", False)):
    for _word in _words.split():
        _CONSTANTS |= dict.fromkeys((_word, _word.capitalize(), _word.upper()), _value)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_HEX = re.compile(r"[-+]?0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?([0-9]+(_[0-9]+)*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")  # octal or not is ambiguous, so it is text
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST = 64  # longer than any number a recipe can mean; int() refuses 4300 digits


def resolve(text: str) -> bool | int | float | str | None:
    """The value of a plain scalar.

    >>> [resolve(text) for text in ("1e-4", "on", "22:22", "0123", "2024-01-01", "")]
    [0.0001, True, '22:22', '0123', '2024-01-01', None]
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return _number(text) if len(text) <= _LONGEST else text


def _number(text: str) -> int | float | str:
    if _INT.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text) and not _OCTAL.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _SPECIAL.fullmatch(text) else text
