"""The board of formats: each sniffs its own shape, and no other's."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets.base import DPO, KTO, PT, SFT, KtoExample, Pair, RowProblem, Text
from orchestrator.datasets.faults import faults_of
from orchestrator.datasets.formats import FORMATS, columns_for, recognise, sniff, unknown_shape
from orchestrator.datasets.formats.base import read_conversation
from orchestrator.datasets.targets import ROWS

KINDS = {SFT: list, DPO: Pair, KTO: KtoExample, PT: Text}


@pytest.mark.parametrize("name", list(FORMATS))
def test_each_format_reads_the_shape_that_it_shows(name: str) -> None:
    row_format = FORMATS[name]
    row = json.loads(row_format.shape)
    assert row_format.name == name
    assert sniff(row) == name
    example = row_format.read(row, columns_for(name, row))
    assert type(example) is KINDS[row_format.purpose]
    assert list(faults_of(example)) == []


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize("name", list(FORMATS))
def test_what_was_converted_is_read_as_it_was_meant(name: str, form: str) -> None:
    row = json.loads(FORMATS[name].shape)
    example = FORMATS[name].read(row, columns_for(name, row))
    found = recognise(written := ROWS[form](example))
    assert found is not None
    assert FORMATS[found[0]].read(written, found[1]) == example


@pytest.mark.parametrize("name", list(FORMATS))
def test_only_columns_of_the_format_are_resolved(name: str) -> None:
    row = json.loads(FORMATS[name].shape)
    assert set(FORMATS[name].resolve(row)) <= set(FORMATS[name].columns)
    assert set(FORMATS[name].resolve({})) <= set(FORMATS[name].columns)


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.parametrize("value", [None, 1, True, "嗯", "", [], {}, [[]], [{}], ["a"], [None]])
def test_a_value_of_any_kind_is_read_or_refused_with_a_reason(name: str, value: Any) -> None:
    """Nothing but RowProblem comes out, whatever stands in a row."""
    shaped = json.loads(FORMATS[name].shape)
    keys = {*shaped, *FORMATS[name].columns.values()}
    for row in (dict.fromkeys(keys, value), *({**shaped, key: value} for key in keys)):
        sniff(row)
        unknown_shape(row)
        columns = columns_for(name, row)
        with suppress(RowProblem):
            assert type(FORMATS[name].read(row, columns)) is KINDS[FORMATS[name].purpose]


def test_no_format_claims_what_it_does_not_know() -> None:
    assert sniff({"data": ["你好"]}) is None
    assert sniff({"title": "你好", "body": "您好"}) is None
    assert sniff({}) is None


def test_a_row_of_two_shapes_is_read_as_the_narrower() -> None:
    turns = [{"role": "user", "content": "问"}]
    answers = {
        "chosen": {"role": "assistant", "content": "好"},
        "rejected": {"role": "assistant", "content": "坏"},
    }
    assert sniff({"messages": turns, **answers}) == "dpo_sharegpt"
    assert sniff({"messages": turns, "kto_tag": True}) == "kto"
    assert sniff({"messages": turns, "choices": [{"message": {"content": "答"}}]}) == "r1_logs"
    assert sniff({"instruction": "问", "output": "答", "label": "皮肤科"}) == "alpaca"
    assert sniff({"text": "文", "question": "问", "answer": "答"}) == "question_answer"


def test_the_genuine_rows_of_chinese_data_sets_are_known() -> None:
    cqia = {
        "instruction": "问",
        "input": "",
        "output": "答",
        "task_type": {"major": ["问答"], "minor": ["百科"]},
        "domain": ["通用"],
        "metadata": None,
        "answer_from": "human",
        "human_verified": True,
        "copyright": "暂无版权信息",
    }
    ruozhiba = {"instruction": "只剩一个心脏了还能活吗？", "output": "能，人本来就只有一个心脏。"}
    belle = {"instruction": "问", "input": "", "output": "答"}
    for row in (cqia, ruozhiba, belle):
        assert sniff(row) == "alpaca"
        assert len(read_conversation(FORMATS["alpaca"], row, columns_for("alpaca", row))) == 2


def test_what_was_named_is_not_guessed() -> None:
    doubtful = {"question": "问", "prompt": "提示", "answer": "答"}
    assert recognise(doubtful) is None
    assert "--column prompt=question" in unknown_shape(doubtful)[1]
    found = recognise(doubtful, {"prompt": "question"})
    assert found is not None
    assert found[0] == "question_answer"
    assert found[1]["response"] == "answer"
    strange = {"甲": "问", "乙": "答"}
    assert recognise(strange) is None
    assert "甲" in unknown_shape(strange)[0]
    assert recognise(strange, {"prompt": "甲"}) is None
    assert recognise(strange, {"prompt": "甲", "response": "丙"}) is None
    found = recognise(strange, {"prompt": "甲", "response": "乙"})
    assert found is not None
    assert (found[1]["prompt"], found[1]["response"]) == ("甲", "乙")


def test_a_purpose_that_is_no_conversation_is_told() -> None:
    with pytest.raises(RowProblem, match="for pt, not a conversation"):
        read_conversation(FORMATS["text"], {"text": "文"}, {"text": "text"})


def test_the_documentation_lists_every_format_in_the_order_in_which_they_are_asked() -> None:
    text = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    table = text.partition("| format |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(FORMATS)
