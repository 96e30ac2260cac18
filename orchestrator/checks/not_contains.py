"""not_contains: no answer of the case holds a text, or any text of a list.

Compared in NFC, letter case counting, in every turn. Thinking that the server split off is not part of an
answer. An answer that did not come proves nothing, so it does not pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import (
    WITH_HISTORY,
    Case,
    PromptPlan,
    last_turn,
    normal,
    quoted,
    text_problem,
    transcript_of,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Transcript, Verdict

name = "not_contains"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when every turn was answered and none holds any of the texts."""
    unwanted = (argument,) if isinstance(argument, str) else tuple(argument)
    found = transcript_of(transcripts, WITH_HISTORY)
    turns = found.turns if found else ()
    reasons = [] if turns else ["it was not asked"]
    for number, turn in enumerate(turns, 1):
        missing = why_unanswered(turn)
        held = [text for text in unwanted if normal(text) in normal(turn.content)]
        if missing:
            reasons.append(f"turn {number}: {missing}")
        elif held:
            texts = ", ".join(map(quoted, held))
            reasons.append(f"turn {number}: {texts} is in the answer {quoted(turn.content)}")
    return verdict(
        case,
        name,
        last_turn(transcripts),
        passed=not reasons,
        reason="; ".join(reasons) or f"no answer holds {', '.join(map(quoted, unwanted))}",
        expected=f"without {', '.join(unwanted)}",
    )


def problem(argument: Any) -> str | None:
    """A text or a list of texts is wanted."""
    if not isinstance(argument, list | tuple):
        return text_problem(argument)
    if not argument:
        return "must name at least one text"
    return next((f"[{i}]: {wrong}" for i, each in enumerate(argument) if (wrong := text_problem(each))), None)
