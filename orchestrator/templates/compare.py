"""The prompt that was trained against the prompt that is served, token by token.

    equal     the served ids are the training context
    prefill   the served ids are the training context and the first trained ids: the server writes for the
              model what the model was trained to write anyway
    missing   the training context ends in ids that the server does not send
    forced    the server adds ids with which no trained answer begins
    differs   the two part within the context

In this order from good to bad; the first two hold. A turn is as bad as the worst spelling in which a client
may send its history back. A spelling that dropped a thought, where training kept it, is not the template's
doing: it is counted, and told, but does not decide.

A difference is `unreachable` when both sides are the same text in other ids: the trainer joined pieces that
the tokenizer, given all at once, encodes otherwise, so that no chat template can be equal there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from orchestrator.templates.explain import Difference, Training, explain, is_unreachable
from orchestrator.templates.pieces import Pieces


class DifferenceKind(StrEnum):
    """How a served prompt stands to the training context, from good to bad."""

    EQUAL = "equal"
    PREFILL = "prefill"
    MISSING = "missing"
    FORCED = "forced"
    DIFFERS = "differs"

    @property
    def holds(self) -> bool:
        """Whether the model is asked as it was taught."""
        return self in {DifferenceKind.EQUAL, DifferenceKind.PREFILL}


ORDER: tuple[DifferenceKind, ...] = tuple(DifferenceKind)


@dataclass(frozen=True, slots=True)
class TurnVerdict:
    """What the comparison says of one trained answer.

    Attributes:
        dataset, row, turn: where it stands; answers count from 0.
        verdict: of the worst spelling that decides.
        spelling: the names under which the serving probe sent that history.
        position: of the first id that differs, counted from 0; the context's length when none does.
        training_id, served_id: at that position; None where a side has ended.
        training_text, served_text: the text around it on both sides; the place is marked with ⟦ ⟧.
        explanation: one sentence; fix: what to set.
        dropped: whether a spelling that lost a trained thought got another prompt (does not decide).
        unreachable: both sides are the same text in other ids.
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

    def to_json(self) -> dict[str, Any]:
        """As it stands in parity.json."""
        return {name: getattr(self, name) for name in self.__slots__}


def judge_ids(
    context: Sequence[int], labels: Sequence[int], served: Sequence[int]
) -> tuple[DifferenceKind, int]:
    """(verdict, position of the first id that differs).

    >>> judge_ids([1, 2], [7, 8], [1, 2])[0].value, judge_ids([1, 2], [7, 8], [1, 2, 7])[0].value
    ('equal', 'prefill')
    >>> judge_ids([1, 2, 3], [7], [1, 2]), judge_ids([1, 2], [7, 8], [1, 2, 7, 9])
    ((<Kind.MISSING: 'missing'>, 2), (<Kind.FORCED: 'forced'>, 3))
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
    trained: Mapping[str, Any],
    served: Mapping[str, Any],
    training: Training,
    pieces: tuple[Pieces, Pieces],
) -> TurnVerdict:
    """The verdict of one trained answer.

    Args:
        where: data set and row.
        trained: an answer: its turn, context and labels, the two as ids.
        served: the turn of the same number of serving_ids.jsonl.
        training: the settings that explain a difference.
        pieces: the texts of the ids of training and of serving.
    """
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
        # Where one spelling is out of every template's reach, so is the turn: that says more than any other.
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
    return verdict if verdict.verdict is DifferenceKind.EQUAL else _told(verdict, worst, training, pieces)


def spellings(trained: Mapping[str, Any], served: Mapping[str, Any]) -> dict[str, DifferenceKind]:
    """The verdict of every spelling that was asked, by its name."""
    found = {}
    for variant in served["variants"]:
        kind, _ = judge_ids(trained["context"], trained["labels"], variant["ids"])
        found.update(dict.fromkeys(variant["names"], DifferenceKind.DIFFERS if variant["error"] else kind))
    return found


def _told(
    verdict: TurnVerdict, difference: Difference, training: Training, pieces: tuple[Pieces, Pieces]
) -> TurnVerdict:
    """The verdict with both sides' ids and texts, and the sentence that explains it."""
    whole, at = [*difference.context, *difference.labels], difference.position
    sentence, hint = explain(difference, training, pieces)
    return replace(
        verdict,
        training_id=whole[at] if at < len(whole) else None,
        served_id=difference.served[at] if at < len(difference.served) else None,
        training_text=pieces[0].around(whole, at),
        served_text=pieces[1].around(difference.served, at),
        explanation=sentence,
        hint=hint,
    )
