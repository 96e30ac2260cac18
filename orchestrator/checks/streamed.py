"""streamed: every answer sent in pieces is the answer sent whole.

Content, thinking and (where the server gives them both times) token ids are compared exactly. Greedy
answers are assumed: with a temperature above 0 the two requests are two draws.
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

name = "streamed"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation, every request a second time with stream=true."""
    return whole(case, streamed=True)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:  # noqa: ARG001
    """Passed when every turn came the same both ways."""
    found = transcript_of(transcripts, WITH_HISTORY)
    turns = found.turns if found else ()
    reasons = [f"turn {i}: {wrong}" for i, turn in enumerate(turns, 1) if (wrong := difference(turn))]
    if not turns:
        reasons = ["it was not asked"]
    reason = "; ".join(reasons) or "the streamed answer is the same"
    return verdict(case, name, last_turn(transcripts), passed=not reasons, reason=reason)


def problem(argument: Any) -> str | None:
    """It takes no argument."""
    return flag_problem(argument)


def difference(turn: Turn) -> str:
    """How the streamed answer of a turn differs from the one sent whole; "" when it does not."""
    if turn.error:
        return turn.error
    if not turn.streamed:
        return "it was not asked with streaming"
    if turn.content != turn.streamed_content:
        return f"whole {quoted(turn.content)}, streamed {quoted(turn.streamed_content)}"
    if turn.reasoning != turn.streamed_reasoning:
        return f"thinking whole {quoted(turn.reasoning)}, streamed {quoted(turn.streamed_reasoning)}"
    ids = (turn.token_ids, turn.streamed_token_ids)
    for what, one, other in (
        ("tool calls", turn.tool_calls, turn.streamed_tool_calls),
        ("token ids", *(ids if all(ids) else ((), ()))),
    ):
        if one != other:
            return f"{what} whole {list(one)}, streamed {list(other)}"
    return ""
