"""Rows that are no conversations: tallied, compared, and turned into rows of another purpose. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.datasets.base import (
    ASSISTANT,
    DPO,
    KTO,
    PT,
    PURPOSES,
    SFT,
    Conversation,
    Example,
    KtoExample,
    Pair,
    messages_of,
)
from orchestrator.errors import Problem

LIKED, DISLIKED = "liked", "disliked"
LONGER, NOT_LONGER = "better answer longer", "better answer not longer"
DOCUMENTS = "documents"
# Of so many pairs, the share from which on their length alone tells the better answer.
FEWEST_PAIRS, LENGTH_TELLS = 20, 0.9


def tally_of(example: Example) -> str:
    """What a row that is no conversation says, to be counted."""
    if isinstance(example, KtoExample):
        return LIKED if example.good else DISLIKED
    if isinstance(example, Pair):
        return LONGER if len(example.chosen) > len(example.rejected) else NOT_LONGER
    return DOCUMENTS


def tally_lines(tally: Mapping[str, int]) -> Sequence[str]:
    """What a tally says, in a few words."""
    pairs = tally.get(LONGER, 0) + tally.get(NOT_LONGER, 0)
    if not pairs:
        return tuple(f"{count} {word}" for word, count in sorted(tally.items(), reverse=True))
    longer = tally.get(LONGER, 0)
    said = f"{pairs} pairs; the better answer is the longer one in {longer}"
    tells = max(longer, pairs - longer) >= LENGTH_TELLS * pairs and pairs >= FEWEST_PAIRS
    return (said + ": the model may learn the length instead" if tells else said,)


def one_sided(tally: Mapping[str, int], where: str) -> list[Problem]:
    """The problem of answers that are all liked, or all disliked: nothing is left to tell them apart from."""
    found = [word for word in (LIKED, DISLIKED) if tally.get(word)]
    if len(found) != 1:
        return []
    missing = DISLIKED if found == [LIKED] else LIKED
    what = f"all {tally[found[0]]} answers are {found[0]}: kto learns the difference to {missing} ones"
    as_sft = "; or turn these into conversations (conch data convert FILE --as sft) and set train.kind: sft"
    return [Problem(what, where, f"add rows whose answers are {missing}" + as_sft * (found == [LIKED]))]


def compared(example: Example) -> Conversation:
    """What duplicates.py compares of a rated row: what is rated, and last how."""
    if isinstance(example, Pair):
        answers = sorted((example.chosen, example.rejected))
        rated = [*example.prompt, *({"role": ASSISTANT, "content": one} for one in answers)]
        return [*rated, {"role": "rating", "content": example.chosen}]
    if isinstance(example, KtoExample):
        return [*example.conversation, {"role": "rating", "content": tally_of(example)}]
    return messages_of(example)


# (purpose of the rows, purpose that is needed) → what `turned` keeps of them.
TURNS: Mapping[tuple[str, str], str] = {
    (DPO, SFT): "keeps the better answers",
    (DPO, KTO): "makes a liked and a disliked row of each pair",
    (KTO, SFT): "keeps the liked answers",
}


# What a row needs to be of a purpose, for rows that nothing can turn into it.
NEEDS: Mapping[str, str] = {
    SFT: "a question and its answer",
    DPO: "a question with a better and a worse answer: chosen and rejected",
    KTO: "an answer and whether it is good: kto_tag, true or false",
    PT: "a text alone",
}


def other_purpose(found: str, wanted: str, file: str) -> tuple[str, str]:
    """Why the rows of a file cannot be used for another purpose, and what can be done about it."""
    (rows, kind), (others, _) = PURPOSES[found], PURPOSES[wanted]
    what = f"its rows are {rows}, but {others} are needed"
    if (found, wanted) in TURNS:
        command = f"conch data convert {file} --as {PURPOSES[wanted][1]} --out NEW.jsonl"
        convert = f"`{command}` {TURNS[found, wanted]}"
    else:
        convert = f"a row that can be used has {NEEDS[wanted]}"
    return what, f"to train {rows}, set train.kind: {kind}; else {convert}"


def turned(example: Example, purpose: str) -> Sequence[Example]:
    """A row as rows of another purpose, as TURNS says; unchanged if it has this purpose."""
    if isinstance(example, Pair) and purpose in (SFT, KTO):
        sides = (example.chosen, example.rejected)
        better, worse = ([*example.prompt, {"role": ASSISTANT, "content": side}] for side in sides)
        return (better,) if purpose == SFT else (KtoExample(better, good=True), KtoExample(worse, good=False))
    if isinstance(example, KtoExample) and purpose == SFT:
        return (example.conversation,) if example.good else ()
    return (example,)
