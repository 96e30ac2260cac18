"""The rows that Conch writes, in LLaMA-Factory's formats, and the dataset_info.json that names them. Pure.

Every row has the same keys in the same order, and text where text is expected: the first ten megabytes of a
file fix its types (data/loader.py; datasets' JSON reader), and a later difference ends the run. Entries name
every column and all seven tags, because a partial `columns` or `tags` resets the rest (data/parser.py of
LLaMA-Factory 0.9.5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from orchestrator.datasets.base import (
    ASSISTANT,
    DOCUMENT,
    DPO,
    KTO,
    PT,
    SFT,
    SYSTEM,
    TOOLS,
    USER,
    Conversation,
    Example,
    KtoExample,
    Pair,
    RowProblem,
    Text,
    messages_of,
)
from orchestrator.datasets.tool_rows import without_tools
from orchestrator.errors import Problem

TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
# A dataset cannot be named so: what the proofs read of the worse answers of NAME is NAME/rejected.
REJECTED = "/rejected"
# datasets reads JSON in blocks of this size, and the first one decides (LLaMA-Factory 0.9.5, datasets 4.0).
BLOCK = 10 << 20
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?")

WriteRow = Callable[[Example], bytes]


def sharegpt_row(example: Example) -> Mapping[str, object]:
    """{"messages": …}, with {"tools"} if it has some, {"chosen", "rejected"} or {"kto_tag"}; or {"text"}."""
    if isinstance(example, list):
        tools, turns = without_tools(example)
        return {"messages": turns, "tools": tools} if tools else {"messages": turns}
    if isinstance(example, Pair):
        return {
            "messages": example.prompt,
            "chosen": {"role": ASSISTANT, "content": example.chosen},
            "rejected": {"role": ASSISTANT, "content": example.rejected},
        }
    if isinstance(example, KtoExample):
        return {"messages": example.conversation, "kto_tag": example.good}
    return {"text": example.text}


def conversations_in(row: Mapping[str, Any]) -> Iterable[tuple[str, Conversation]]:
    """What a row that sharegpt_row wrote says, each with the suffix of its dataset's name in the proofs.

    >>> pair = sharegpt_row(Pair([{"role": "user", "content": "?"}], "good", "bad"))
    >>> [(suffix, said[-1]["content"]) for suffix, said in conversations_in(pair)]
    [('', 'good'), ('/rejected', 'bad')]
    """
    if "text" in row:
        yield "", [{"role": DOCUMENT, "content": row["text"]}]
    elif "rejected" in row:
        yield "", [*row["messages"], row["chosen"]]
        yield REJECTED, [*row["messages"], row["rejected"]]
    else:
        tools = [{"role": TOOLS, "content": row["tools"]}] if row.get("tools") else []
        yield "", [*tools, *row["messages"]]


def alpaca_row(example: Example) -> Mapping[str, object]:
    """{"instruction", "input", "output", "history", "system"}; of another purpose, its keys for `output`.

    Raises:
        RowProblem: the row has turns that alpaca has no column for.
    """
    if isinstance(example, Text):
        return {"text": example.text}
    if isinstance(example, Pair):
        row = _alpaca_prompt(example.prompt)
        return {**row, "chosen": example.chosen, "rejected": example.rejected}
    conversation = example.conversation if isinstance(example, KtoExample) else example
    row = {**_alpaca_prompt(conversation[:-1]), "output": conversation[-1]["content"]}
    return {**row, "kto_tag": example.good} if isinstance(example, KtoExample) else row


def _alpaca_prompt(conversation: Conversation) -> dict[str, object]:
    """The columns of everything before the last answer."""
    unknown = {message["role"] for message in conversation} - {USER, ASSISTANT, SYSTEM}
    if unknown:
        what = f"alpaca has no column for turns from {', '.join(sorted(unknown))}"
        raise RowProblem("no place in alpaca", what, "convert to sharegpt")
    system = conversation[0]["content"] if conversation[0]["role"] == SYSTEM else ""
    texts = [message["content"] for message in conversation if message["role"] != SYSTEM]
    history = [list(pair) for pair in zip(texts[:-1:2], texts[1:-1:2], strict=True)]
    return {"instruction": texts[-1], "input": "", "history": history, "system": system}


ROWS: Mapping[str, Callable[[Example], Mapping[str, object]]] = {
    "sharegpt": sharegpt_row,
    "alpaca": alpaca_row,
}


def with_tools_key(line: bytes) -> bytes:
    r"""A line of sharegpt with the key "tools", which every row of a file needs if one has it.

    >>> with_tools_key(b'{"messages":[]}\n')
    b'{"messages":[],"tools":""}\n'
    """
    return line[:-2] + b',"tools":""}\n' if line.endswith(b"]}\n") else line


def sharegpt_line(example: Example) -> bytes:
    """A row of sharegpt as one line of JSON."""
    if type(example) is list and example and example[0]["role"] != TOOLS:
        return orjson.dumps({"messages": example}, option=orjson.OPT_APPEND_NEWLINE)
    return orjson.dumps(sharegpt_row(example), option=orjson.OPT_APPEND_NEWLINE)


def alpaca_line(example: Example) -> bytes:
    """A row of alpaca as one line of JSON."""
    return orjson.dumps(alpaca_row(example), option=orjson.OPT_APPEND_NEWLINE)


# Format that is written → what writes a row as one line.
LINES: Mapping[str, WriteRow] = {"sharegpt": sharegpt_line, "alpaca": alpaca_line}


class FirstBlock:
    """Checks the first ten megabytes of a file, which fix its types.

    If every history in them is empty, the first pair after them ends the run; if all texts are dates, they
    become dates and every row is dropped (datasets' JSON reader, over pyarrow's inference).

    Attributes:
        open: whether there is still something to check.
    """

    def __init__(self, form: str) -> None:
        self.open = True
        self._form = form
        self._bytes = 0
        self._history = self._late_history = False
        self._only_dates = True

    def see(self, example: Example, size: int) -> None:
        """Check the next row, which is written in so many bytes."""
        self._bytes += size
        messages = messages_of(example)
        if self._only_dates and self._bytes <= BLOCK:
            texts = [one["content"] for one in (messages[-1:] if self._form == "alpaca" else messages)]
            self._only_dates = all(_DATE.fullmatch(text) for text in texts)
        if self._form == "alpaca" and not self._history and len(messages) > 3:  # noqa: PLR2004
            self._history, self._late_history = True, self._bytes > BLOCK
        history = self._history or self._form != "alpaca"
        self.open = not (history and (not self._only_dates or self._bytes > BLOCK))

    def problems(self, file: str) -> list[Problem]:
        """Why LLaMA-Factory would misread the file."""
        found = []
        if self._late_history:
            what = "the first history comes after ten megabytes without one: LLaMA-Factory would stop there"
            found.append(Problem(what, file, "convert to sharegpt or parquet"))
        if self._bytes and self._only_dates:
            what = "every text is a date: LLaMA-Factory would read dates and drop every row"
            found.append(Problem(what, file, "convert to parquet, whose columns are typed"))
        return found


def entry_of(file_name: str, form: str, purpose: str, *, tools: bool = False) -> dict[str, object]:
    """The complete entry of a file in dataset_info.json.

    Args:
        file_name: relative to dataset_info.json.
        form: the format that is written, "sharegpt" or "alpaca".
        purpose: of its rows.
        tools: whether its rows have the key "tools".
    """
    if purpose == PT:
        return {"file_name": file_name, "columns": {"prompt": "text"}}
    added = {SFT: {}, KTO: {"kto_tag": "kto_tag"}, DPO: {"chosen": "chosen", "rejected": "rejected"}}[purpose]
    if tools:
        added = {**added, "tools": "tools"}
    entry: dict[str, object] = {"file_name": file_name, "formatting": form}
    if purpose == DPO:
        entry["ranking"] = True
    if form == "sharegpt":
        return {**entry, "columns": {"messages": "messages", **added}, "tags": dict(TAGS)}
    answer = {} if purpose == DPO else {"response": "output"}
    prompt = {"prompt": "instruction", "query": "input", **answer, "system": "system", "history": "history"}
    return {**entry, "columns": {**prompt, **added}}


def dataset_info_text(
    entries: Mapping[str, Mapping[str, object]] | Iterable[str], *, tools: bool = False
) -> str:
    r"""The whole dataset_info.json; a name without an entry is that of NAME.jsonl with conversations.

    ASCII only, because LLaMA-Factory opens it in the encoding of the locale.

    >>> "\\u6d77" in dataset_info_text(["海"])
    True
    """
    if not isinstance(entries, Mapping):
        entries = {name: entry_of(f"{name}.jsonl", "sharegpt", SFT, tools=tools) for name in entries}
    return json.dumps(entries, ensure_ascii=True, indent=2) + "\n"
