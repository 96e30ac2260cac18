"""The checks of a case that is made from a data row: its own answer is the reference. Pure.

similar: {least: 0.5}     `to` defaults to the row's answer
equals: reference         the row's answer
contains: reference       the row's answer, within the model's
"""

from __future__ import annotations

from collections.abc import Mapping

REFERENCE = "reference"


def with_reference(expect: Mapping[str, object], reference: str) -> dict[str, object]:
    """The `expect` of a case, with the row's answer as argument where a check refers to it.

    >>> with_reference({"equals": "reference", "similar": {"least": 0.5}, "length": {"most": 9}}, "好")
    {'equals': '好', 'similar': {'to': '好', 'least': 0.5}, 'length': {'most': 9}}
    """
    return {name: _filled(name, argument, reference) for name, argument in expect.items()}


def _filled(name: str, argument: object, reference: str) -> object:
    if name == "similar" and isinstance(argument, Mapping):
        return {"to": reference, **argument}
    if name in ("equals", "contains") and argument in (None, REFERENCE):
        return reference
    return argument
