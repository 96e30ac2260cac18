"""dataset_info/NAME.yaml: read whole, or refused with every mistake and its place."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.datasets.entry import read_entry
from orchestrator.errors import UsageError

WHOLE = """\
format: alpaca
file: data/x.jsonl
columns: {prompt: 问题, response: 答案}
paraphrases: data/x.paraphrases.jsonl
licence: Apache-2.0
source: us
"""


def refused(text: str, name: str = "x") -> list[str]:
    with pytest.raises(UsageError) as caught:
        read_entry(name, text)
    return [f"{problem.where}  {problem.what}" for problem in caught.value.problems]


def test_an_entry_is_read() -> None:
    entry = read_entry("x", WHOLE)
    assert (entry.name, entry.format, entry.licence, entry.source) == ("x", "alpaca", "Apache-2.0", "us")
    assert entry.path == "dataset_info/data/x.jsonl"
    assert entry.paraphrases_path == "dataset_info/data/x.paraphrases.jsonl"
    assert dict(entry.columns) == {"prompt": "问题", "response": "答案"}
    assert (entry.hub_id, entry.hub, entry.sha256) == ("", "", "")


def test_a_short_entry_is_enough() -> None:
    entry = read_entry("x", "file: x.json\n")
    assert (entry.format, entry.paraphrases_path, dict(entry.columns)) == ("", "", {})


def test_a_folder_of_data_can_be_named() -> None:
    assert read_entry("x", "file: data/saved\n").path == "dataset_info/data/saved"


def test_what_is_read_of_a_file_and_what_is_done_about_bad_rows() -> None:
    entry = read_entry("x", "file: x.json\n")
    assert (entry.items, entry.sheet, entry.split, entry.fix, entry.drop_bad) == ("", "", "", False, False)
    text = "file: x.json\nitems: faq/item\nsheet: 问答\nsplit: train\nfix: true\ndrop_bad: yes\n"
    entry = read_entry("x", text)
    assert (entry.items, entry.sheet, entry.split) == ("faq/item", "问答", "train")
    assert (entry.fix, entry.drop_bad) == (True, True)


def test_a_hub_s_data_set_may_leave_the_file_to_conch() -> None:
    entry = read_entry("x", "hub: {id: owner/name}\n")
    assert (entry.hub_file, entry.hub_split) == ("", "")
    assert read_entry("x", "hub: {id: owner/name, split: test}\n").hub_split == "test"


def test_a_hub_s_file_has_defaults() -> None:
    entry = read_entry("x", "hub: {id: owner/name, file: a/train.jsonl}\n")
    assert (entry.hub, entry.hub_id, entry.hub_revision, entry.hub_file) == (
        "huggingface",
        "owner/name",
        "main",
        "a/train.jsonl",
    )
    assert entry.path == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file: x.jsonl\nformt: a\n", '2:1  no key named "formt"; did you mean "format"?'),
        ("format: alpca\nfile: x.json\n", '1:9  format: no format named "alpca"; did you mean "alpaca"?'),
        ("format: 3\nfile: x.jsonl\n", "1:9  format: must be text"),
        ("format: alpaca\n", "1:1  set `file:` or `hub:`"),
        ("file: a.jsonl\nhub: {id: a/b, file: c.json}\n", "1:1  both `file:` and `hub:` are set; set one"),
        ("file: ../a.jsonl\n", "1:7  file: must be a path inside dataset_info/, got ../a.jsonl"),
        ("file: /etc/a.jsonl\n", "1:7  file: must be a path inside dataset_info/, got /etc/a.jsonl"),
        (
            "file: https://x/a.jsonl\n",
            "1:7  file: must be a path inside dataset_info/, got https://x/a.jsonl",
        ),
        ("file: ~/a.jsonl\n", "1:7  file: must be a path inside dataset_info/, got ~/a.jsonl"),
        ("file: load.py\n", "1:7  file: cannot read .py"),
        ("file: a.docx\n", "1:7  file: cannot read .docx"),
        ("hub: {id: a/b, file: data}\n", "1:22  hub.file: cannot read a file without a suffix"),
        ("file: a.json\nparaphrases: p.docx\n", "2:14  paraphrases: cannot read .docx"),
        ("file: a.json\nfix: please\n", "2:6  fix: must be true or false"),
        ("file: a.json\ndrop_bad: 1\n", "2:11  drop_bad: must be true or false"),
        ("file: a.json\nsheet: 2024\n", "2:8  sheet: must be text"),
        ("file: a.json\nitems: [a]\n", "2:8  items: must be text"),
        ("file: a.json\nsplit: {train: 7}\n", "2:8  split: must be text"),
        ("file: 7\n", "1:7  file: must be text"),
        ("file: a.jsonl\nparaphrases: ../p.jsonl\n", "2:14  paraphrases: must be a path inside"),
        ("hub: me/x\n", "1:6  hub: must be a mapping"),
        ("hub: {id: x, file: a.json}\n", '1:11  hub.id: "x" is not owner/name'),
        ("hub: {file: a.json}\n", "1:6  hub.id: is missing"),
        ("hub: {id: a/b, file: a.json, hub: hf}\n", '1:35  hub.hub: no hub named "hf"'),
        ("hub: {id: a/b, file: a.json, rev: x}\n", '1:30  no key named "hub.rev"'),
        ("file: a.json\ncolumns: {prompt: q}\n", "2:10  columns: need a `format:` that defines them"),
        ("format: alpaca\nfile: a.json\ncolumns: {promt: q}\n", '3:11  no key named "columns.promt"; did'),
        ("format: alpaca\nfile: a.json\ncolumns: {prompt: 3}\n", "3:19  columns.prompt: must be text"),
        ("format: alpaca\nfile: a.json\ncolumns: x\n", "3:10  columns: must be a mapping"),
    ],
)
def test_a_mistake_has_its_place(text: str, problem: str) -> None:
    (said,) = refused(text)
    assert said.startswith(f"dataset_info/x.yaml:{problem}")


def test_all_mistakes_are_said_at_once() -> None:
    assert len(refused("formt: a\nfile: ../x.csv\nlicense: x\n")) == 3


@pytest.mark.parametrize(
    "name", ["../x", "a b", "-rf", "数据", "X", "", "x" * 65, "conch_generated", "conversations"]
)
def test_a_name_that_could_be_a_path_is_refused(name: str) -> None:
    """Case 29."""
    assert refused("file: a.json\n", name)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "a: [\n", "a: 1\na: 2\n", "file: &a x.json\n"])
def test_text_that_is_no_entry_is_refused(text: str) -> None:
    assert refused(text)[0].startswith("dataset_info/x.yaml")


@given(
    st.dictionaries(
        st.sampled_from(["format", "file", "hub", "columns", "paraphrases", "fix", "sheet"]),
        st.text() | st.none(),
    )
)
def test_no_value_makes_a_traceback(values: dict[str, str | None]) -> None:
    text = "".join(f"{key}: {json.dumps(value, ensure_ascii=True)}\n" for key, value in values.items())
    with suppress(UsageError):
        read_entry("x", text)
