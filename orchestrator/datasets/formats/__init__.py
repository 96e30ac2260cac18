"""Data formats: one file per shape of row, and the table that finds the one a row has.

Pure: a row in, an example out. Files are read by execute/data/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.datasets.base import Format, Row
from orchestrator.datasets.formats import (
    alpaca,
    belle,
    dpo,
    dpo_messages,
    dpo_sharegpt,
    firefly,
    huatuo,
    huatuo26m_lite,
    inner_thought,
    kto,
    medical_o1,
    moss_pairs,
    openai,
    question_answer,
    r1_distill,
    r1_logs,
    sharegpt,
    text,
)

# One line a shape. To add one: write its module (base.py says what it offers), and its line here; the first
# that knows a row reads it, so that a narrower shape (belle) stands before a wider one (alpaca).
FORMATS: Mapping[str, Format] = {
    "dpo_messages": dpo_messages,
    "dpo_sharegpt": dpo_sharegpt,
    "dpo": dpo,
    "kto": kto,
    "belle": belle,
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "r1_logs": r1_logs,
    "openai": openai,
    "huatuo": huatuo,
    "moss_pairs": moss_pairs,
    "inner_thought": inner_thought,
    "firefly": firefly,
    "medical_o1": medical_o1,
    "r1_distill": r1_distill,
    "huatuo26m_lite": huatuo26m_lite,
    "question_answer": question_answer,
    "text": text,
}

# Of the shapes whose parts have several usual names: what they are called in a file with such rows.
RESOLVERS: Mapping[str, Callable[[Row], Mapping[str, str]]] = {
    "dpo_messages": dpo_messages.resolve,
    "dpo_sharegpt": dpo_sharegpt.resolve,
    "dpo": dpo.resolve,
    "kto": kto.resolve,
    "sharegpt": sharegpt.resolve,
    "openai": openai.resolve,
    "moss_pairs": moss_pairs.resolve,
    "question_answer": question_answer.resolve,
}


def recognise(row: Row, given: Mapping[str, str] | None = None) -> tuple[str, Mapping[str, str]] | None:
    """The first format whose shape a row has, and its columns for that row's file; None when it has none's.

    Args:
        row: the first whole row of a file.
        given: columns that were named; naming a question's and an answer's is enough to be read.
    """
    given = given or {}
    found = sniff(row)
    if found is None and all(given.get(part) in row for part in question_answer.NEEDED if part in given):
        # What was named is no longer a matter of guessing.
        others = {key: value for key, value in row.items() if key not in given.values()}
        parts = {**question_answer.resolve(others), **given}
        if given and all(part in parts for part in question_answer.NEEDED):
            found = question_answer.name
    return None if found is None else (found, columns_for(found, row, given))


def columns_for(name: str, row: Row, given: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Every column of a format as it is called in a file with rows like this one; what was given wins."""
    resolve = RESOLVERS.get(name)
    return {**FORMATS[name].columns, **(resolve(row) if resolve else {}), **(given or {})}


def sniff(row: Row) -> str | None:
    """The name of the first format whose shape a row has; None when it has none's."""
    return next((name for name, one in FORMATS.items() if one.sniff(row)), None)


def unknown_shape(row: Row) -> tuple[str, str]:
    """Why no format knows a row, and what fixes it."""
    doubts = list(question_answer.ambiguous(row))
    if doubts:
        return "it is not clear which key is which", "; ".join(doubts)
    shapes = "; ".join(f"{name}: {one.shape}" for name, one in FORMATS.items())
    keys = ", ".join(list(row)[:8]) or "none"
    hint = (
        "say --column prompt=KEY and --column response=KEY; for documents, --format text and "
        f"--column text=KEY; or write rows of a known shape. Shapes: {shapes}"
    )
    return f"no format knows this shape (keys: {keys})", hint
