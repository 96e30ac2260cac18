"""Repairs of a row that its format refused: the value is put into the shape that was meant. Pure.

Only what can be meant in one way is repaired; a value that is lost (null, half a character) is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.datasets.base import RowProblem

Repair = Callable[[Any], Any]


def fix_row(problem: RowProblem) -> bool:
    """Repair the value that a problem names, in its row; False when it cannot be."""
    repair = ROW_REPAIRS.get(problem.kind)
    if repair is None or not isinstance(problem.inside, dict) or problem.column not in problem.inside:
        return False
    fixed = repair(problem.inside[problem.column])
    if fixed is None:
        return False
    problem.inside[problem.column] = fixed
    return True


def as_text(value: Any) -> str | None:
    """A number, true or false as JSON spells it; the one text of a list.

    >>> as_text(3), as_text(True), as_text(["好"]), as_text(["a", "b"]), as_text({})
    ('3', 'true', '好', None, None)
    """
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    return None


def as_list(value: Any) -> list[Any] | None:
    """A list that was written as text."""
    try:
        found = json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def as_pairs(value: Any) -> list[list[str]] | None:
    """A history as pairs: a flat list of questions and answers, objects of two texts, or JSON text of either.

    >>> as_pairs(["你好", "您好"]), as_pairs([{"user": "一", "assistant": "二"}]), as_pairs(["a"])
    ([['你好', '您好']], [['一', '二']], None)
    """
    listed = as_list(value) if isinstance(value, str) else value
    if not isinstance(listed, list):
        return [] if value == "" else None
    if all(isinstance(text, str) for text in listed):
        return (
            [list(pair) for pair in zip(listed[::2], listed[1::2], strict=True)]
            if len(listed) % 2 == 0
            else None
        )
    pairs = [_pair(item) for item in listed]
    return None if None in pairs else [pair for pair in pairs if pair]


def _pair(item: Any) -> list[str] | None:
    if isinstance(item, dict):
        item = [next((item[key] for key in keys if key in item), None) for keys in SIDES]
    if isinstance(item, list) and len(item) == len(SIDES) and all(isinstance(text, str) for text in item):
        return item
    return None


def as_label(value: Any) -> bool | None:
    """Whether an answer is a good one, from 0, 1 or a word."""
    return LABELS.get(str(value).strip().casefold())


def without_answer(value: Any) -> list[Any] | None:
    """The messages before the last, which is the better answer once more."""
    return value[:-1] if isinstance(value, list) and len(value) > 1 else None


SIDES = (("user", "human", "question", "prompt", "问"), ("assistant", "gpt", "answer", "response", "答"))
LABELS: Mapping[str, bool] = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "good", "是", "好"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "bad", "否", "坏"), False),
}

# kind of problem → its repair; None from a repair means that the value cannot be fixed.
ROW_REPAIRS: Mapping[str, Repair] = {
    "not text": as_text,
    "history": as_pairs,
    "list as text": as_list,
    "label": as_label,
    "answer in prompt": without_answer,
}
