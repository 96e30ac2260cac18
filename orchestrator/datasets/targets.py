"""What a converted row looks like in LLaMA-Factory's formats, and the entry that makes it read so. Pure.

Every row has the same keys in the same order, and texts where a text is expected: types are fixed by the
first ten megabytes of a file (data/loader.py; datasets' JSON reader), and what differs later ends the run.
"""

from __future__ import annotations

import re
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
    KtoExample,
    Pair,
    RowProblem,
    Text,
)
from orchestrator.datasets.dataset_info import TAGS
from orchestrator.errors import Problem

# datasets reads JSON in blocks of this size, and the first decides (LLaMA-Factory 0.9.5 with datasets 4.0).
BLOCK = 10 << 20
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?")

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
    if isinstance(example, KtoExample):
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
    conversation = example.conversation if isinstance(example, KtoExample) else example
    row = {**_asked(conversation[:-1]), "output": conversation[-1]["content"]}
    return {**row, "kto_tag": example.good} if isinstance(example, KtoExample) else row


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


def _sharegpt_line(example: Example) -> bytes:
    row = {"messages": example} if type(example) is list else sharegpt_row(example)
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _alpaca_line(example: Example) -> bytes:
    return orjson.dumps(alpaca_row(example), option=orjson.OPT_APPEND_NEWLINE)


def speller(form: str) -> Spell:
    """What writes a row of a format as one line of JSON; always the same function for a format."""
    return {"sharegpt": _sharegpt_line, "alpaca": _alpaca_line}[form]


def _messages(example: Example) -> Conversation:
    """What a row of any purpose says, its last answer last."""
    if isinstance(example, Pair):
        return [*example.prompt, {"role": ASSISTANT, "content": example.chosen}]
    if isinstance(example, Text):
        return [{"role": USER, "content": example.text}]
    return example.conversation if isinstance(example, KtoExample) else example


class FirstBlock:
    """Watches the first ten megabytes of a file, by which its types are fixed for good.

    A history that is empty so far is a list of nothing, and the first pair ends the run; texts that are all
    dates become dates, and every row is dropped (datasets' JSON reader, over pyarrow's inference).

    Attributes:
        open: whether there is still something to watch for.
    """

    def __init__(self, form: str) -> None:
        self.open = True
        self._form = form
        self._bytes = 0
        self._history = self._late_history = False
        self._only_dates = True

    def see(self, example: Example, size: int) -> None:
        """Look at a row that is written, and at how many bytes it takes."""
        self._bytes += size
        messages = _messages(example)
        if self._only_dates and self._bytes <= BLOCK:
            texts = [one["content"] for one in (messages[-1:] if self._form == "alpaca" else messages)]
            self._only_dates = all(_DATE.fullmatch(text) for text in texts)
        if self._form == "alpaca" and not self._history and len(messages) > 3:  # noqa: PLR2004
            self._history, self._late_history = True, self._bytes > BLOCK
        history = self._history or self._form != "alpaca"
        self.open = not (history and (not self._only_dates or self._bytes > BLOCK))

    def problems(self, file: str) -> list[Problem]:
        """Why the file would not be read as it is meant."""
        found = []
        if self._late_history:
            what = (
                "the first earlier turns come after ten megabytes without any: LLaMA-Factory would end there"
            )
            found.append(Problem(what, file, "convert to sharegpt or parquet"))
        if self._bytes and self._only_dates:
            what = "every text is a date: LLaMA-Factory would read dates, and drop every row"
            found.append(Problem(what, file, "convert to parquet, whose columns are typed"))
        return found


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
