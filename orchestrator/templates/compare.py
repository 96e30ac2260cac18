"""Compares the trained prompt with the served prompt, token by token, for one answer and one conversation.

    equal     the served ids are the training context
    prefill   the served ids are the training context and the first trained ids: the server writes what the
              model was trained to write anyway
    missing   the training context ends with ids that the server does not send
    forced    the server adds ids that no trained answer begins with
    differs   the two differ within the context

Ordered from good to bad; the first two hold. A turn takes the verdict of the worst variant in which a client
may send its history. A variant that dropped a thought which training kept is counted, but does not decide,
because the template does not cause it.

A difference is `unreachable` if both sides are the same text with other ids: the trainer joined pieces that
the tokenizer encodes differently as one text, so no chat template can be equal there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NotRequired, TypedDict

from orchestrator.results import json_of
from orchestrator.templates.causes import explain
from orchestrator.templates.pieces import AROUND, Pieces
from orchestrator.templates.prompt_diff import Difference, Training, is_unreachable

# The serving probe's name for a history that is sent unchanged.
UNCHANGED = "thought"


class TrainedAnswer(TypedDict):
    """One trained answer: the ids of its context and of its labels; `cut` if cutoff_len cut the context."""

    turn: int
    context: Sequence[int]
    labels: Sequence[int]
    cut: NotRequired[bool]


class Variant(TypedDict):
    """One prompt that the server makes: the names of the ways to send its history, its ids, or an error.

    lossy: whether these ways drop a thought.
    """

    names: Sequence[str]
    ids: Sequence[int]
    lossy: bool
    error: str


class ServedAnswer(TypedDict):
    """All prompts for one answer, a line's turn of serving_ids.jsonl."""

    turn: NotRequired[int]
    variants: Sequence[Variant]


Answer = tuple[TrainedAnswer, ServedAnswer]
PiecesPair = tuple[Pieces, Pieces]


class DifferenceKind(StrEnum):
    """How a served prompt relates to the training context, from good to bad."""

    EQUAL = "equal"
    PREFILL = "prefill"
    MISSING = "missing"
    FORCED = "forced"
    DIFFERS = "differs"

    @property
    def holds(self) -> bool:
        """Whether the model is prompted as it was trained."""
        return self in {DifferenceKind.EQUAL, DifferenceKind.PREFILL}


ORDER: tuple[DifferenceKind, ...] = tuple(DifferenceKind)


@dataclass(frozen=True, slots=True)
class TurnVerdict:
    """The comparison of one trained answer (`turn` counts from 0), decided by its worst variant, `spelling`.

    Attributes:
        position: of the first id that differs, from 0; the context's length if none does.
        training_id, served_id: at that position; None where a side has ended.
        training_text, served_text: the text around it, marked with ⟦ ⟧.
        dropped: whether a variant that lost a trained thought got another prompt (does not decide).
        unreachable: both sides are the same text with other ids.
    """

    dataset: str
    row: int
    turn: int
    verdict: DifferenceKind
    spelling: str = ""
    position: int = 0
    training_id: int | None = None
    served_id: int | None = None
    training_text: str = ""
    served_text: str = ""
    explanation: str = ""
    hint: str = ""
    dropped: bool = False
    unreachable: bool = False

    def to_json(self) -> dict[str, object]:
        """All fields in the types of JSON."""
        return dict(json_of(self))


def judge_ids(
    context: Sequence[int], labels: Sequence[int], served: Sequence[int]
) -> tuple[DifferenceKind, int]:
    """(verdict, position of the first id that differs).

    >>> judge_ids([1, 2], [7, 8], [1, 2])[0].value, judge_ids([1, 2], [7, 8], [1, 2, 7])[0].value
    ('equal', 'prefill')
    >>> judge_ids([1, 2, 3], [7], [1, 2])[0].value, judge_ids([1, 2], [7, 8], [1, 2, 7, 9])[1]
    ('missing', 3)
    """
    if served == context:
        return DifferenceKind.EQUAL, len(context)
    whole = [*context, *labels]
    position = next(
        (i for i, (ours, theirs) in enumerate(zip(whole, served, strict=False)) if ours != theirs), None
    )
    if position is None:
        if len(served) < len(context):
            return DifferenceKind.MISSING, len(served)
        if len(served) > len(whole):
            return DifferenceKind.FORCED, len(whole)
        return DifferenceKind.PREFILL, len(context)
    return (DifferenceKind.DIFFERS if position < len(context) else DifferenceKind.FORCED), position


def compare_turn(
    where: tuple[str, int],
    trained: TrainedAnswer,
    served: ServedAnswer,
    training: Training,
    pieces: PiecesPair,
) -> TurnVerdict:
    """The verdict of one trained answer; `where`: dataset and row."""
    context, labels = trained["context"], trained["labels"]
    worst, names, dropped = Difference("equal", len(context), context, labels, context), "", False
    unreachable = False
    for variant in served["variants"]:
        kind, position = judge_ids(context, labels, variant["ids"])
        if variant["error"]:
            kind, position = DifferenceKind.DIFFERS, 0
        found = Difference(kind.value, position, context, labels, variant["ids"], error=variant["error"])
        if variant["lossy"] and training.keeps_thoughts and not kind.holds:
            dropped = True
            continue
        # If one variant is unreachable for every template, so is the turn.
        beyond = kind is DifferenceKind.DIFFERS and is_unreachable(found, pieces)
        if not names or (ORDER.index(kind), beyond) > (ORDER.index(DifferenceKind(worst.kind)), unreachable):
            worst, unreachable, names = found, beyond, ", ".join(variant["names"])
    verdict = TurnVerdict(
        *where,
        trained["turn"],
        DifferenceKind(worst.kind),
        names,
        worst.position,
        dropped=dropped,
        unreachable=unreachable,
    )
    return (
        verdict if verdict.verdict is DifferenceKind.EQUAL else _explained(verdict, worst, training, pieces)
    )


def spellings(trained: TrainedAnswer, served: ServedAnswer) -> dict[str, DifferenceKind]:
    """The verdict of each way to send the history, by its name."""
    found = {}
    for variant in served["variants"]:
        kind, _ = judge_ids(trained["context"], trained["labels"], variant["ids"])
        found.update(dict.fromkeys(variant["names"], DifferenceKind.DIFFERS if variant["error"] else kind))
    return found


def _explained(
    verdict: TurnVerdict, difference: Difference, training: Training, pieces: PiecesPair
) -> TurnVerdict:
    """The verdict with both sides' ids and texts, and the sentence that explains it."""
    whole, at = [*difference.context, *difference.labels], difference.position
    cause = explain(difference, training, pieces)
    return replace(
        verdict,
        training_id=whole[at] if at < len(whole) else None,
        served_id=difference.served[at] if at < len(difference.served) else None,
        training_text=pieces[0].around(whole, at),
        served_text=pieces[1].around(difference.served, at),
        explanation=cause.explanation,
        hint=cause.hint,
    )


class Worst(TypedDict):
    """The worst answer of a conversation, with both sides' ids and texts around the position."""

    verdict: str
    turn: int
    position: int
    training_id: int | None
    served_id: int | None
    ids_from: int
    training_ids: Sequence[int]
    served_ids: Sequence[int]
    training_text: str
    served_text: str
    explanation: str
    hint: str
    unreachable: bool


@dataclass(frozen=True, slots=True)
class ConversationVerdict:
    """The comparison of one conversation, decided by its worst answer.

    Attributes:
        fails: a trained answer does not hold, and a template could make it hold.
        unreachable: a trained answer is the same text with other ids.
        spellings: name → verdict → answers, of the other ways to send the history; they do not decide.
    """

    verdict: DifferenceKind
    worst: Worst
    fails: bool
    unreachable: bool
    answers: int
    spellings: Mapping[str, Counter[str]] = field(default_factory=dict)


def judge_conversation(
    answers: Sequence[Answer], training: Training, pieces: PiecesPair
) -> ConversationVerdict:
    """The verdict over the trained answers (at least one) of a conversation, its history sent unchanged."""
    other: dict[str, Counter[str]] = {}
    judged = []
    for trained, served in answers:
        sent = next(one for one in served["variants"] if UNCHANGED in one["names"])
        only: ServedAnswer = {"variants": [{**sent, "lossy": False}]}
        judged.append((compare_turn(("", 0), trained, only, training, pieces), trained, sent["ids"]))
        for name, kind in spellings(trained, served).items():
            if name != UNCHANGED:
                other.setdefault(name, Counter())[kind.value] += 1
    # Among equally bad ones, the first that a template could reach.
    worst = max(judged, key=lambda one: (ORDER.index(one[0].verdict), not one[0].unreachable))
    return ConversationVerdict(
        verdict=worst[0].verdict,
        worst=_worst(*worst, pieces),
        fails=any(not one.verdict.holds and not one.unreachable for one, _, _ in judged),
        unreachable=any(one.unreachable for one, _, _ in judged),
        answers=len(judged),
        spellings=other,
    )


def _worst(found: TurnVerdict, trained: TrainedAnswer, served: Sequence[int], pieces: PiecesPair) -> Worst:
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
