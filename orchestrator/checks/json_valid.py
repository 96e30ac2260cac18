"""json_valid: the last answer is one JSON value and nothing else.

`json_valid: true`, or `json_valid: [name, price]`: an object with these keys. A Markdown fence around the
value (```json … ```) is allowed, since clients strip it. NaN and Infinity are not JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NoReturn

from orchestrator.checks.base import LastAnswerCheck, Result, list_problem, listed, quoted
from orchestrator.results import Sentence, Turn

_FENCE = r"(?s)\A```(?:json)?\s*\n(.*)\n```\Z"


class JsonValid(LastAnswerCheck[bool | Sequence[str]]):
    """The last answer is JSON, with every key that is required."""

    name = "json_valid"

    def expected(self, argument: bool | Sequence[str]) -> str:
        keys = ", ".join(_keys(argument))
        return Sentence(f"a JSON object with {keys}", f"含有 {keys} 的 JSON 对象") if keys else "JSON"

    def result(self, turn: Turn, argument: bool | Sequence[str]) -> Result:
        if fault := _fault(turn.content, _keys(argument)):
            return False, fault
        keys = ", ".join(_keys(argument))
        if not keys:
            return True, Sentence("the answer is JSON", "回答是 JSON")
        return True, Sentence(f"the answer is a JSON object with {keys}", f"回答是含有 {keys} 的 JSON 对象")

    def problem(self, argument: object) -> str | None:
        if argument is True:
            return None
        return list_problem(argument, "must be true, or a list of the keys that the object must have")


CHECK = JsonValid()


def _keys(argument: bool | Sequence[str]) -> tuple[str, ...]:
    return () if isinstance(argument, bool) else tuple(argument)


def _fault(content: str, keys: Sequence[str]) -> Sentence | None:
    text, answer = content.strip(), quoted(content)
    fenced = re.match(_FENCE, text)
    try:
        value = json.loads(fenced[1] if fenced else text, parse_constant=_reject)
    except (ValueError, RecursionError) as error:
        return Sentence(f"the answer is not JSON ({error}): {answer}", f"回答不是合法的 JSON：{answer}")
    if keys and not isinstance(value, dict):
        return Sentence(f"expected a JSON object, got {answer}", f"应为 JSON 对象，实际为 {answer}")
    absent = listed(key for key in keys if key not in value)
    return (
        Sentence(f"the object lacks {absent}: {answer}", f"对象缺少 {absent}：{answer}") if absent else None
    )


def _reject(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
