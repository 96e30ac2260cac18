"""A row in LLaMA-Factory's formats: the same keys in every row, and an entry that names them all."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from orchestrator.datasets.base import Example, KtoExample, Pair, RowProblem, Text
from orchestrator.datasets.targets import LINES, ROWS, alpaca_row, entry_of, sharegpt_row

TALK = [
    {"role": "system", "content": "你是海螺"},
    {"role": "user", "content": "一"},
    {"role": "assistant", "content": "二"},
    {"role": "user", "content": "三"},
    {"role": "assistant", "content": "四"},
]
SHORT = TALK[1:3]
EXAMPLES: dict[str, tuple[Example, Example]] = {
    "sft": (TALK, SHORT),
    "dpo": (Pair(TALK[:-1], "好", "坏"), Pair(SHORT[:1], "好", "坏")),
    "kto": (KtoExample(TALK, good=True), KtoExample(SHORT, good=False)),
    "pt": (Text("海"), Text("螺")),
}


def test_sharegpt_is_the_conversation_as_it_is() -> None:
    assert LINES["sharegpt"](TALK) == orjson.dumps({"messages": TALK}) + b"\n"


def test_alpaca_has_history_and_system() -> None:
    assert alpaca_row(TALK) == {
        "instruction": "三",
        "input": "",
        "history": [["一", "二"]],
        "system": "你是海螺",
        "output": "四",
    }


def test_a_turn_that_alpaca_cannot_say_is_refused() -> None:
    called = [
        SHORT[0],
        {"role": "function_call", "content": "{}"},
        {"role": "observation", "content": "1"},
        SHORT[1],
    ]
    with pytest.raises(RowProblem, match="observation"):
        alpaca_row(called)


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize("purpose", EXAMPLES)
def test_all_rows_have_the_columns_that_the_entry_names(form: str, purpose: str) -> None:
    long, short = (ROWS[form](example) for example in EXAMPLES[purpose])
    assert list(long) == list(short)
    entry: dict[str, Any] = entry_of("海.jsonl", form, purpose)
    assert set(entry["columns"].values()) == set(long)
    assert entry.get("ranking", False) == (purpose == "dpo")
    assert None not in long.values()


def test_answers_of_a_pair_are_messages_in_sharegpt() -> None:
    row = sharegpt_row(EXAMPLES["dpo"][0])
    assert row["chosen"] == {"role": "assistant", "content": "好"}
