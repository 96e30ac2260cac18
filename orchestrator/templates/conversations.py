"""The verdict of a whole conversation: the worst of its trained answers, asked exactly as it is written.

Other spellings in which clients send earlier answers back are judged too, and counted by their names; what
they show is told and decides nothing here: the history that was given is the one that was asked about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.templates.compare import ORDER, DifferenceKind, TurnVerdict, compare_turn, spellings
from orchestrator.templates.explain import Training
from orchestrator.templates.pieces import AROUND, Pieces

# The serving probe's name for a history that is sent as it stands.
AS_GIVEN = "thought"

Answer = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ConversationVerdict:
    """What the comparison says of one conversation.

    Attributes:
        verdict: of the worst trained answer.
        told: that answer, as `data.verdicts` has it.
        fails: some trained answer does not hold, and a template could reach it.
        unreachable: some trained answer is the same text in other ids.
        answers: how many were compared.
        spellings: name → verdict → answers, of the other spellings of the history.
    """

    verdict: DifferenceKind
    told: Mapping[str, Any]
    fails: bool
    unreachable: bool
    answers: int
    spellings: Mapping[str, Counter[str]] = field(default_factory=dict)


def judge_conversation(
    place: Mapping[str, Any], answers: Sequence[Answer], training: Training, pieces: tuple[Pieces, Pieces]
) -> ConversationVerdict:
    """The verdict over the trained answers of one conversation.

    Args:
        place: what names it, put in front of what is told.
        answers: (trained: turn, context and labels; served: its variants), at least one.
        training: the settings that explain a difference.
        pieces: the texts of the ids of training and of serving.
    """
    other: dict[str, Counter[str]] = {}
    judged = []
    for trained, served in answers:
        given = [one for one in served["variants"] if AS_GIVEN in one["names"]]
        only = {**served, "variants": [{**one, "lossy": False} for one in given]}
        judged.append((compare_turn(("", 0), trained, only, training, pieces), trained, given[0]["ids"]))
        for name, kind in spellings(trained, served).items():
            if name != AS_GIVEN:
                other.setdefault(name, Counter())[kind.value] += 1
    # Among equals the one that a template could reach, then the first.
    worst = max(judged, key=lambda one: (ORDER.index(one[0].verdict), not one[0].unreachable))
    return ConversationVerdict(
        verdict=worst[0].verdict,
        told={**place, **_told(*worst, pieces)},
        fails=any(not one.verdict.holds and not one.unreachable for one, _, _ in judged),
        unreachable=any(one.unreachable for one, _, _ in judged),
        answers=len(judged),
        spellings=other,
    )


def _told(
    found: TurnVerdict, trained: Mapping[str, Any], served: Sequence[int], pieces: tuple[Pieces, Pieces]
) -> dict[str, Any]:
    """An answer's verdict with both sides' ids and texts around the position, equal or not."""
    whole, at = [*trained["context"], *trained["labels"]], found.position
    start = max(0, at - AROUND)
    return {
        "verdict": found.verdict.value,
        "turn": found.turn,
        "position": at,
        "training_id": found.training_id,
        "served_id": found.served_id,
        "ids_from": start,
        "training_ids": whole[start : at + AROUND],
        "served_ids": list(served[start : at + AROUND]),
        "training_text": pieces[0].around(whole, at),
        "served_text": pieces[1].around(served, at),
        "explanation": found.explanation,
        "hint": found.hint,
        "unreachable": found.unreachable,
    }
