"""Which ids of a training row are trained, and what cutoff_len took. For probes of the train environment.

A labelled stretch is an answer; the ids before it are its context. LLaMA-Factory cuts a row by pairs of
question and answer (data/processor/supervised.py, infer_seqlen), so what a cut took is told pair by pair.
"""

from collections.abc import Sequence
from typing import Any

from tokens import decode

Row = dict[str, Any]


def turns_of(labels: Sequence[int]) -> list[Row]:
    """The labelled stretches."""
    from llamafactory.extras.constants import IGNORE_INDEX

    turns: list[Row] = []
    inside = False
    for position, label in enumerate(labels):
        if inside == (label == IGNORE_INDEX):
            inside = not inside
            if inside:
                turns.append({"turn": 0, "start": position, "end": len(labels), "cut": False})
            else:
                turns[-1]["end"] = position
    return turns


def what_was_cut(turns: list[Row], ids: Sequence[int], whole: Row, tokenizer: Any, first: int) -> Row | None:
    """Mark the turns whose context the cutoff changed, and say what it took; None when it took nothing.

    Args:
        turns: of the row as it is trained.
        ids: of the row as it is trained.
        whole: the same row encoded without a cutoff: input_ids and labels.
        tokenizer: reads what is left of an answer.
        first: the number of the first turn that is trained.
    """
    complete, all_ids = turns_of(whole["labels"]), whole["input_ids"]
    if ids == all_ids:
        return None
    lost, kept_end, whole_end = [], 0, 0
    for place, uncut in enumerate(complete):
        turn = turns[place] if place < len(turns) else {"start": len(ids), "end": len(ids)}
        turn["cut"] = ids[: turn["start"]] != all_ids[: uncut["start"]]
        lengths = [one["end"] - one["start"] for one in (uncut, turn)]
        labels = lengths[0] - lengths[1]
        context = (uncut["start"] - whole_end) - (turn["start"] - kept_end)
        kept_end, whole_end = turn["end"], uncut["end"]
        if context or labels:
            left = labels > 0 and thought_open(tokenizer, ids[turn["start"] : turn["end"]])
            lost.append({"turn": first + place, "context": context, "labels": labels, "thought_open": left})
    return {"tokens": len(all_ids) - len(ids), "turns": lost}


def thought_open(tokenizer: Any, kept: Sequence[int]) -> bool:
    """Whether what is left of an answer opens a thought that it does not close."""
    text = decode(tokenizer, list(kept))
    return "<think>" in text and "</think>" not in text
