"""json_valid: the last answer is one JSON value, and nothing else.

`json_valid: true`, or `json_valid: [name, price]`: an object with these keys. A Markdown fence around the
value (```json … ```) is allowed for, since clients strip it. NaN and Infinity are no JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from orchestrator.checks.base import (
    Case,
    PromptPlan,
    last_turn,
    quoted,
    text_problem,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Transcript, Verdict

name = "json_valid"

_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\Z", re.DOTALL)


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the last answer is JSON, with every key wanted."""
    keys = tuple(argument) if isinstance(argument, list | tuple) else ()
    turn = last_turn(transcripts)
    expected = f"a JSON object with {', '.join(keys)}" if keys else "JSON"
    missing = why_unanswered(turn)
    reason = missing if turn is None or missing else _wrong(turn.content, keys)
    return verdict(
        case, name, turn, passed=not reason, reason=reason or f"it is {expected}", expected=expected
    )


def problem(argument: Any) -> str | None:
    """True or a list of keys is wanted."""
    if argument is True:
        return None
    if not isinstance(argument, list | tuple) or not argument:
        return "must be true, or a list of the keys that the object must have"
    return next((f"[{i}]: {wrong}" for i, each in enumerate(argument) if (wrong := text_problem(each))), None)


def _wrong(content: str, keys: Sequence[str]) -> str:
    text = content.strip()
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return f"the answer is no JSON ({error}): {quoted(content)}"
    if not keys:
        return ""
    if not isinstance(value, dict):
        return f"expected a JSON object, got {quoted(content)}"
    absent = [key for key in keys if key not in value]
    return f"the object has no {', '.join(map(quoted, absent))}: {quoted(content)}" if absent else ""


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
