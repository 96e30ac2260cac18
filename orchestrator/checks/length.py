"""length: the number of characters or tokens of the last answer is within bounds.

    length: {most: 200}    length: {least: 10, most: 50, unit: tokens}

Characters are Unicode code points of the answer in NFC, without surrounding white space. Tokens are all that
the server generated, thinking and the end token included; they need a server that returns token ids (vLLM).
"""

from __future__ import annotations

from typing import Literal, TypedDict

from orchestrator.checks.base import LastAnswerCheck, Result, normal
from orchestrator.results import Sentence, Turn

CHARACTERS, TOKENS = UNITS = ("characters", "tokens")
_ZH = {CHARACTERS: "个字符", TOKENS: "个 token"}
_BOUNDS = {"least": ("at least", "至少"), "most": ("at most", "至多")}


class LengthArgument(TypedDict, total=False):
    """One bound or both, and what is counted."""

    least: int
    most: int
    unit: Literal["characters", "tokens"]


class Length(LastAnswerCheck[LengthArgument]):
    """The last answer's length is within the bounds."""

    name = "length"

    def expected(self, argument: LengthArgument) -> str:
        unit = argument.get("unit", CHARACTERS)
        bounds = [
            (f"{en} {bound}", f"{zh} {bound} ")
            for key, (en, zh) in _BOUNDS.items()
            if (bound := argument.get(key)) is not None
        ]
        return Sentence(
            f"{' and '.join(en for en, _ in bounds)} {unit}",
            "、".join(zh.rstrip() for _, zh in bounds) + f" {_ZH[unit]}",
        )

    def result(self, turn: Turn, argument: LengthArgument) -> Result:
        unit = argument.get("unit", CHARACTERS)
        if unit == TOKENS and not turn.token_ids:
            return False, Sentence(
                "the server returns no token ids; use unit: characters",
                "服务器不返回 token id；请改用 unit: characters",
            )
        size = len(turn.token_ids) if unit == TOKENS else len(normal(turn.content))
        if argument.get("least", 0) <= size <= argument.get("most", size):
            return True, Sentence(f"{size} {unit}", f"{size} {_ZH[unit]}")
        want = Sentence(self.expected(argument))
        return False, Sentence(f"expected {want}, got {size}", f"要求{want.zh}，实际 {size}")

    def problem(self, argument: object) -> str | None:
        keys = set(argument) if isinstance(argument, dict) else set()
        if not isinstance(argument, dict) or not keys & {"least", "most"} or keys - {"least", "most", "unit"}:
            return "must be a mapping such as {least: 10, most: 200}; add unit: tokens to count tokens"
        for key in _BOUNDS:
            bound = argument.get(key, 1)
            if isinstance(bound, bool) or not isinstance(bound, int) or bound < 1:
                return f"{key}: must be a whole number of at least 1"
        if argument.get("least", 1) > argument.get("most", argument.get("least", 1)):
            return "least is more than most"
        return None if argument.get("unit", CHARACTERS) in UNITS else f"unit: must be {' or '.join(UNITS)}"


CHECK = Length()
