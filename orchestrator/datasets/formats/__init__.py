"""Data formats: one module for each shape of row, and the table that finds the format of a row.

Pure: a row in, an example out. execute/data/ reads the files. Formats do not import each other; base.py,
column_names.py and messages.py hold what they share.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import Row, keys_of
from orchestrator.datasets.formats import (
    alpaca,
    belle,
    column_names,
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
from orchestrator.datasets.formats.base import Columns, Format

# To add a format, write its module (base.py says what it offers) and add its line here. The first format that
# recognises a row reads it, so a narrower shape (belle) comes before a wider one (alpaca).
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


def recognise(row: Row, named: Columns | None = None) -> tuple[str, Columns] | None:
    """The first format that recognises a row, and its columns for the row's file; None if there is none.

    Args:
        row: the first whole row of a file.
        named: columns that the user named; naming question and answer is enough to be read.
    """
    named = named or {}
    found = sniff(row)
    if (
        found is None
        and named
        and all(named.get(part) in row for part in column_names.NEEDED if part in named)
    ):
        others = {key: value for key, value in row.items() if key not in named.values()}
        parts = {**column_names.unambiguous(others), **named}
        if all(part in parts for part in column_names.NEEDED):
            found = question_answer.name
    return None if found is None else (found, columns_for(found, row, named))


def columns_for(name: str, row: Row, named: Columns | None = None) -> Columns:
    """Every column of a format in a file with rows like this one; named columns win."""
    row_format = FORMATS[name]
    return {**row_format.columns, **row_format.resolve(row), **(named or {})}


def sniff(row: Row) -> str | None:
    """The name of the first format that recognises a row; None if there is none."""
    return next((name for name, one in FORMATS.items() if one.sniff(row)), None)


def unknown_shape(row: Row) -> tuple[str, str]:
    """Why no format recognises a row, and how to fix it."""
    doubts = list(column_names.ambiguous(row))
    if doubts:
        return "it is not clear which key is which", "; ".join(doubts)
    shapes = "; ".join(f"{name}: {one.shape}" for name, one in FORMATS.items())
    hint = (
        "add --column prompt=KEY and --column response=KEY; for documents, --format text and "
        f"--column text=KEY; or write rows of a known shape. Shapes: {shapes}"
    )
    return f"no format matches this row (keys: {keys_of(row)})", hint
