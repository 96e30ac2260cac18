"""What a converted row looks like in LLaMA-Factory's formats, and the entry that makes it read so. Pure.

Every row has the same keys in the same order, and texts where a text is expected: types are fixed by the
first ten megabytes of a file (data/loader.py; datasets' JSON reader), and what differs later ends the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from orchestrator.datasets.base import (
    ASSISTANT,
    DPO,
    KTO,
    PT,
    SFT,
    SYSTEM,
    USER,
    Conversation,
    Example,
    Labelled,
    Pair,
    RowProblem,
    Text,
)
from orchestrator.datasets.dataset_info import TAGS

Spell = Callable[[Example], bytes]


def sharegpt_row(example: Example) -> Mapping[str, Any]:
    """{"messages": …}, and what the purpose adds: {"chosen", "rejected"}, {"kto_tag"}, or {"text"} alone."""
    if isinstance(example, list):
        return {"messages": example}
    if isinstance(example, Pair):
        return {
            "messages": example.prompt,
            "chosen": {"role": ASSISTANT, "content": example.chosen},
            "rejected": {"role": ASSISTANT, "content": example.rejected},
        }
    if isinstance(example, Labelled):
        return {"messages": example.conversation, "kto_tag": example.good}
    return {"text": example.text}


def alpaca_row(example: Example) -> Mapping[str, Any]:
    """{"instruction", "input", "output", "history", "system"}, or what stands for `output` otherwise.

    Raises:
        RowProblem: it has turns that alpaca cannot say.
    """
    if isinstance(example, Text):
        return {"text": example.text}
    if isinstance(example, Pair):
        row = _asked(example.prompt)
        return {**row, "chosen": example.chosen, "rejected": example.rejected}
    conversation = example.conversation if isinstance(example, Labelled) else example
    row = {**_asked(conversation[:-1]), "output": conversation[-1]["content"]}
    return {**row, "kto_tag": example.good} if isinstance(example, Labelled) else row


def _asked(conversation: Conversation) -> dict[str, Any]:
    """The columns of everything before the last answer."""
    strange = {message["role"] for message in conversation} - {USER, ASSISTANT, SYSTEM}
    if strange:
        what = f"alpaca has no place for turns from {', '.join(sorted(strange))}"
        raise RowProblem("no place in alpaca", what, "convert to sharegpt")
    system = conversation[0]["content"] if conversation[0]["role"] == SYSTEM else ""
    texts = [message["content"] for message in conversation if message["role"] != SYSTEM]
    history = [list(pair) for pair in zip(texts[:-1:2], texts[1:-1:2], strict=True)]
    return {"instruction": texts[-1], "input": "", "history": history, "system": system}


ROWS: Mapping[str, Callable[[Example], Mapping[str, Any]]] = {"sharegpt": sharegpt_row, "alpaca": alpaca_row}


def speller(form: str) -> Spell:
    """What writes a row of a format as one line of JSON."""
    row, dumps, newline = ROWS[form], orjson.dumps, orjson.OPT_APPEND_NEWLINE
    if form == "sharegpt":
        # The path of nearly every row, as short as it can be.
        return lambda example: dumps(
            {"messages": example} if type(example) is list else row(example), option=newline
        )
    return lambda example: dumps(row(example), option=newline)


def entry_of(file_name: str, form: str, purpose: str) -> dict[str, Any]:
    """The entry in dataset_info.json, complete: what it does not name would be reset (data/parser.py)."""
    if purpose == PT:
        return {"file_name": file_name, "columns": {"prompt": "text"}}
    added = {SFT: {}, KTO: {"kto_tag": "kto_tag"}, DPO: {"chosen": "chosen", "rejected": "rejected"}}[purpose]
    ranking = {"ranking": True} if purpose == DPO else {}
    if form == "sharegpt":
        columns = {"messages": "messages", **added}
        return {
            "file_name": file_name,
            "formatting": "sharegpt",
            **ranking,
            "columns": columns,
            "tags": dict(TAGS),
        }
    answer = {} if purpose == DPO else {"response": "output"}
    asked = {"prompt": "instruction", "query": "input", **answer, "system": "system", "history": "history"}
    return {"file_name": file_name, "formatting": "alpaca", **ranking, "columns": {**asked, **added}}
