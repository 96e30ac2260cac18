"""Where a case was made of a row of the data, the row's own answer is what its checks are held against. Pure.

similar: {least: 0.5}     its `to` is the row's answer, unless given
equals: reference         the row's answer
contains: reference       the row's answer, within the model's
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REFERENCE = "reference"


def with_reference(expect: Mapping[str, Any], reference: str) -> dict[str, Any]:
    """What a case expects, with the row's answer where it stands for an argument.

    >>> with_reference({"equals": "reference", "similar": {"least": 0.5}, "length": {"most": 9}}, "好")
    {'equals': '好', 'similar': {'to': '好', 'least': 0.5}, 'length': {'most': 9}}
    """
    return {name: _filled(name, argument, reference) for name, argument in expect.items()}


def _filled(name: str, argument: Any, reference: str) -> Any:
    if name == "similar" and isinstance(argument, Mapping):
        return {"to": reference, **argument}
    if name in ("equals", "contains") and argument in (None, REFERENCE):
        return reference
    return argument
