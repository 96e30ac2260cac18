"""The lint of a person's own dataset_info.json: each mistake with its line, nothing said of a whole one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends.dataset_columns import COLUMNS, DEFAULT_TAGS, Listed
from orchestrator.backends.dataset_info import KEYS, TYPES, Look, is_dataset_info, lint
from orchestrator.datasets.json_places import read_json
from orchestrator.datasets.targets import dataset_info_text
from orchestrator.errors import UsageError
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine

ROW = {"instruction": "你是谁", "input": "", "output": "我是神奇海螺。"}
PAIR = {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"}


WHOLE = Listed(first=ROW)


def looking(listed: Listed | None) -> Look:
    def look(_: str, /, *, count: bool, roles: tuple[str, str] | None) -> Listed | None:
        return listed if count or listed is None else replace(listed, rows=None)

    return look


def said(entry: Any, listed: Listed | None = WHOLE, stage: str = "") -> list[str]:
    """What is said of one entry, each with its line; the entry's own line is 2."""
    text = json.dumps({"海": entry}, indent=1, ensure_ascii=False)
    return [
        f"{problem.where.split(':')[1]} {problem.what}" for problem in lint(text, "i", looking(listed), stage)
    ]


def of_file(name: object = "a.jsonl", **more: Any) -> dict[str, Any]:
    return {"file_name": name, **more}


@pytest.mark.parametrize(
    "entry",
    [
        of_file(),
        of_file(columns={"prompt": "instruction", "query": "input", "response": "output"}),
        of_file(split="train[:2]", num_samples=2),
        of_file(ranking=True, columns=PAIR),
        {"hf_hub_url": "a/b", "subset": "zh", "split": "test", "folder": "data"},
    ],
)
def test_a_whole_entry_is_left_alone(entry: Mapping[str, Any]) -> None:
    first = {**ROW, "chosen": "好", "rejected": "坏"}
    assert said(entry, Listed(first=first, rows=3)) == []


def test_what_conch_writes_itself_is_whole() -> None:
    first = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}
    assert lint(dataset_info_text(["a", "海螺"]), "i", looking(Listed(first=first))) == []


@pytest.mark.parametrize(
    ("entry", "line", "says"),
    [
        (["a.jsonl"], 2, "海: must be an object"),
        (of_file(formating="sharegpt"), 4, 'no key "formating"; did you mean "formatting"?'),
        ({"columns": {"prompt": "instruction", "response": "output"}}, 2, "KeyError: 'file_name'"),
        (of_file(formatting="openai", tags=DEFAULT_TAGS), 4, "detailed thinking off"),
        (of_file(formatting="ShareGPT"), 4, 'no format "ShareGPT"; did you mean "sharegpt"?'),
        (of_file(formatting="alpca"), 4, 'did you mean "alpaca"?'),
        (of_file(formatting=["alpaca"]), 4, "formatting: no format"),
        (of_file(ranking="false"), 4, "ranking: must be true or false"),
        (of_file(hf_hub_url="a/b"), 3, "file_name is ignored: hf_hub_url takes precedence"),
        (of_file(["a.jsonl", "b.jsonl"]), 3, "file_name: must be the name"),
        (of_file("~/a.jsonl"), 3, "~ and * are not expanded"),
        (of_file("a-*.jsonl"), 3, "~ and * are not expanded"),
        (of_file("a.JSON"), 3, "does not read .JSON (case-sensitive)"),
        (of_file("a.xlsx"), 3, "does not read .xlsx"),
        (of_file(subset="zh"), 4, "subset is ignored for a file"),
        (of_file(split="validation"), 4, 'only the split train, not "validation"'),
        (of_file(num_samples=0), 4, "num_samples: must be a whole number above 0"),
        (of_file(num_samples="3"), 4, "num_samples: must be a whole number above 0"),
        ({"script_url": "load.py"}, 3, "datasets 4 no longer runs scripts"),
    ],
)
def test_a_mistake_is_said_with_its_line(entry: Any, line: int, says: str) -> None:
    (problem,) = [one for one in said(entry) if says in one]
    assert problem.startswith(f"{line} ")


def test_more_samples_than_rows_are_rows_repeated() -> None:
    (problem,) = said(of_file(num_samples=9), Listed(first=ROW, rows=8))
    assert "9 of 8 rows: LLaMA-Factory repeats rows" in problem


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ((), "the folder d is empty"),
        (("a.jsonl", "README.md"), "contains other files than data: README.md"),
        (("a.jsonl", ".DS_Store", "sub/"), "contains other files than data: .DS_Store, sub/"),
        (("a.jsonl", "b.csv"), "the folder d holds csv, jsonl"),
    ],
)
def test_a_folder_must_hold_data_files_of_one_type(entries: tuple[str, ...], says: str) -> None:
    (problem,) = said(of_file("d"), Listed(folder=True, entries=entries))
    assert says in problem


def test_a_misspelt_key_is_not_said_once_more_of_the_data() -> None:
    first = {"conversations": [{"from": "human", "value": "问"}]}
    (problem,) = said(of_file(formating="sharegpt"), Listed(first=first))
    assert "formating" in problem


def test_lines_and_arrays_of_json_may_lie_in_one_folder() -> None:
    assert said(of_file("d"), Listed(folder=True, entries=("a.jsonl", "b.json"))) == []


def test_a_file_that_is_not_there() -> None:
    assert said(of_file("b.jsonl"), None) == ["3 file_name does not exist: b.jsonl"]


@pytest.mark.parametrize(
    ("entry", "stage", "says"),
    [
        (of_file(), "dpo", "stage dpo needs ranking: true"),
        (of_file(ranking=True, columns=PAIR), "sft", "ranking: true is for the stages rm and dpo"),
        (of_file(ranking=True, columns=PAIR), "dpo", ""),
    ],
)
def test_ranking_goes_with_the_stage(entry: Any, stage: str, says: str) -> None:
    problems = said(entry, Listed(first={**ROW, "chosen": "a", "rejected": "b"}), stage)
    assert [says in problem for problem in problems] == ([True] if says else [])


def test_every_mistake_is_said_in_the_order_of_the_file() -> None:
    text = '{"a": {"file_nam": "x"},\n "b": 3,\n "b": {"file_name": "x.txt"}}'
    wheres = [problem.where for problem in lint(text, "i.json", looking(None))]
    assert wheres == ["i.json:1:2", "i.json:1:8", "i.json:3:2", "i.json:3:21"]


@pytest.mark.parametrize("text", ['\ufeff{"a": {}}', '{"a": {"file_name": "x"},}', ""])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        lint(text, "i.json", looking(None))


def test_fault_155_a_list_of_nothing_is_a_mistake() -> None:
    (problem,) = lint("{}", "i.json", looking(None))
    assert (problem.what, problem.where) == ("lists no dataset", "i.json:1:1")


def test_a_list_is_no_dataset_info() -> None:
    (problem,) = lint("[]", "i.json", looking(None))
    assert problem.where == "i.json:1:1"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ('{"a": {"file_name": "x"}, "b": {"hf_hub_url": "o/n"}}', True),
        ('{"instruction": "a", "output": "b"}', False),
        ('{"1": {"instruction": "a", "output": "b"}}', False),
        ("{}", False),
        ("[]", False),
    ],
)
def test_a_dataset_info_is_known_by_its_shape(text: str, *, is_one: bool) -> None:
    assert is_dataset_info(read_json(text, "x.json")[0]) is is_one


@given(
    st.dictionaries(
        st.sampled_from([*KEYS, "x"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
        | st.dictionaries(st.sampled_from([*COLUMNS, *DEFAULT_TAGS]), st.none() | st.text() | st.integers()),
    ),
    st.sampled_from(["", "sft", "dpo", "kto", "pt"]),
)  # fmt: skip
def test_no_entry_makes_a_traceback(entry: dict[str, Any], stage: str) -> None:
    first = {"messages": [{"role": 3}], "conversations": ["x"], "input": 3}
    for listed in (None, Listed(first=first, rows=1), Listed(folder=True)):
        with suppress(UsageError):
            said(entry, listed, stage)


@pytest.mark.real
def test_the_keys_are_those_of_the_version_that_trains() -> None:
    package = next(
        registry.require("train", machine.hardware()).glob("lib/python3*/site-packages/llamafactory")
    )
    source = (package / "data/parser.py").read_text(encoding="utf-8")
    assert [key for key in (*KEYS, *COLUMNS, *DEFAULT_TAGS) if f'"{key}"' not in source] == []
    types = (package / "extras/constants.py").read_text(encoding="utf-8")
    assert [name for name, kind in TYPES.items() if f'"{name}": "{kind}"' not in types] == []
