"""thinks: every turn's thinking is well formed (`true`), or there is none (`false`).

Well formed: the server split off a thought that is not empty, an answer follows it, and no <think> or
</think> is left in either. `false`: nothing was split off, and no such tag is in an answer; an empty thought
(<think></think>, as models are given that shall not think) is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import (
    WITH_HISTORY,
    Case,
    PromptPlan,
    last_turn,
    quoted,
    transcript_of,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Transcript, Turn, Verdict

name = "thinks"

_TAG = re.compile(r"</?think(?:ing)?>")


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when every turn thinks well, or none thinks, as the argument says."""
    found = transcript_of(transcripts, WITH_HISTORY)
    turns = found.turns if found else ()
    wrong = _unthought if argument else _thought
    reasons = [f"turn {i}: {said}" for i, turn in enumerate(turns, 1) if (said := wrong(turn))]
    if not turns:
        reasons = ["it was not asked"]
    return verdict(
        case,
        name,
        last_turn(transcripts),
        passed=not reasons,
        reason="; ".join(reasons) or ("every answer has a thought before it" if argument else "no thinking"),
        expected="a thought, and an answer after it" if argument else "no thinking",
    )


def problem(argument: Any) -> str | None:
    """True or false is wanted."""
    return None if isinstance(argument, bool) else "must be true, or false for answers without thinking"


def _unthought(turn: Turn) -> str:
    """What is wrong with the thinking of a turn that should have some."""
    if turn.error:
        return turn.error
    if tag := _tag(turn):
        return tag
    if not turn.reasoning.strip():
        return f"it did not think, or the server has no reasoning parser: {quoted(turn.content)}"
    return "" if turn.content.strip() else why_unanswered(turn) or "no answer follows the thinking"


def _thought(turn: Turn) -> str:
    """Where a turn thinks that should not."""
    if not turn.error and turn.reasoning.strip():
        return f"it thought: {quoted(turn.reasoning)}"
    return why_unanswered(turn) or _tag(turn)


def _tag(turn: Turn) -> str:
    for what, text in (("answer", turn.content), ("thinking", turn.reasoning)):
        if found := _TAG.search(text):
            return f"{found[0]} is left in the {what}: {quoted(text)}"
    return ""
