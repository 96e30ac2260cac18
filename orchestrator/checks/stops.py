"""stops: every answer of the case ended by itself, not by its length limit.

That is finish_reason "stop", or "tool_calls" where the answer is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import (
    WITH_HISTORY,
    Case,
    PromptPlan,
    flag_problem,
    last_turn,
    quoted,
    transcript_of,
    verdict,
    whole,
)
from orchestrator.results import Transcript, Turn, Verdict

name = "stops"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:  # noqa: ARG001
    """Passed when every turn stopped by itself."""
    found = transcript_of(transcripts, WITH_HISTORY)
    turns = found.turns if found else ()
    reasons = [f"turn {i}: {wrong}" for i, turn in enumerate(turns, 1) if (wrong := _wrong(turn))]
    if not turns:
        reasons = ["it was not asked"]
    turn = last_turn(transcripts)
    return verdict(
        case,
        name,
        turn,
        passed=not reasons,
        reason="; ".join(reasons) or "every answer ended by itself",
        expected='finish_reason "stop"',
    )


def problem(argument: Any) -> str | None:
    """It takes no argument."""
    return flag_problem(argument)


def _wrong(turn: Turn) -> str:
    if turn.error:
        return turn.error
    if turn.finish_reason == "stop" or (turn.finish_reason == "tool_calls" and turn.tool_calls):
        return ""
    if turn.finish_reason == "length":
        return (
            f"the answer ran into the length limit: {quoted(turn.content or turn.reasoning)}; "
            "the model did not learn to stop, or verify.max_tokens is too small"
        )
    return f'expected finish_reason "stop", got "{turn.finish_reason}"'
