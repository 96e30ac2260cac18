"""A dataset_info.json and the files beside it: what is looked at, and what is told from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.dataset_columns import Note
from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.data.lint_dataset_info import lint_file, names_data_sets

ROW = {"instruction": "你是谁", "output": "我是海螺。"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three rows of two columns, and a folder of data with what does not belong there."""
    lines = (json.dumps(ROW, ensure_ascii=False) + "\n") * 3
    (tmp_path / "海螺.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "d/sub").mkdir(parents=True)
    (tmp_path / "d/README.md").touch()
    (tmp_path / "d/a.jsonl").touch()
    return tmp_path


def said(folder: Path, stage: str = "", **entry: Any) -> list[str]:
    path = folder / "dataset_info.json"
    path.write_text(json.dumps({"x": entry}, ensure_ascii=False), encoding="utf-8")
    return [problem.what for problem in lint_file(path, stage)]


def test_the_first_row_of_a_file_is_compared_with_its_columns(folder: Path) -> None:
    (problem,) = said(folder, file_name="海螺.jsonl")
    assert problem == 'without `columns`, columns.query is "input", which the data does not have: KeyError'
    assert said(folder, file_name="海螺.jsonl", columns={"prompt": "instruction", "response": "output"}) == []


def test_rows_are_counted_where_samples_are_taken(folder: Path) -> None:
    columns = {"prompt": "instruction", "response": "output"}
    assert said(folder, file_name="海螺.jsonl", columns=columns, num_samples=3) == []
    (problem,) = said(folder, file_name="海螺.jsonl", columns=columns, num_samples=4)
    assert problem.startswith("num_samples: 4 of 3 rows")


def test_a_folder_is_listed(folder: Path) -> None:
    (problem,) = said(folder, file_name="d")
    assert "README.md, sub/" in problem


@pytest.mark.parametrize("name", ["none.jsonl", "\0", "a" * 5000])
def test_a_name_of_nothing(folder: Path, name: str) -> None:
    assert said(folder, file_name=name)[0].startswith("file_name does not exist")


def test_an_absolute_path_is_taken(folder: Path) -> None:
    columns = {"prompt": "instruction", "response": "output"}
    assert said(folder, file_name=str(folder / "海螺.jsonl"), columns=columns) == []


def test_a_stage_is_passed_on(folder: Path) -> None:
    columns = {"prompt": "instruction", "response": "output"}
    (problem,) = said(folder, "dpo", file_name="海螺.jsonl", columns=columns)
    assert "stage dpo needs ranking: true" in problem


def test_a_file_that_cannot_be_read_as_json(folder: Path) -> None:
    path = folder / "dataset_info.json"
    with pytest.raises(MissingError, match="cannot read it"):
        lint_file(path)
    path.write_bytes('{\n "海": "'.encode("gb18030"))
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        lint_file(path)
    assert caught.value.problems[0].where == f"{path}:2:3"


@pytest.mark.parametrize(
    ("name", "text", "is_one"),
    [
        ("dataset_info.json", "{", True),
        ("mine.json", '{"a": {"file_name": "x"}}', True),
        ("mine.json", '{"a": {"instruction": "x"}}', False),
        ("mine.json", "[{", False),
        ("mine.jsonl", '{"a": {"file_name": "x"}}', False),
        ("none.json", None, False),
    ],
)
def test_what_counts_as_one(tmp_path: Path, name: str, text: str | None, *, is_one: bool) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert names_data_sets(tmp_path / name) is is_one


# The shapes of LLaMA-Factory's own list: four tags, five tags, none, a hub's, a preference without columns.
LIKE_THEIRS: dict[str, dict[str, Any]] = {
    "identity": {"file_name": "identity.jsonl"},
    "pictures": {
        "file_name": "pictures.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
        },
    },
    "thoughts": {
        "hf_hub_url": "o/n",
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    },
    "tools": {
        "file_name": "tools.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "tools": "tools"},
    },
    "pairs": {"hf_hub_url": "o/p", "ranking": True},
}


def test_fault_148_a_list_like_llama_factorys_own_has_one_mistake(folder: Path) -> None:
    """And its real one: two entries rank without naming chosen and rejected, on which it fails."""
    talk = [{"role": "user", "content": "图里是什么"}, {"role": "assistant", "content": "海螺"}]
    calls = [{"from": role, "value": "海"} for role in ("human", "function_call", "observation", "gpt")]
    for name, row in (
        ("identity", {"instruction": "你是谁", "input": "", "output": "海螺"}),
        ("pictures", {"messages": talk, "images": ["a.jpg"]}),
        ("tools", {"conversations": calls, "tools": "[]"}),
    ):
        (folder / f"{name}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    path = folder / "dataset_info.json"
    path.write_text(json.dumps(LIKE_THEIRS), encoding="utf-8")
    found = lint_file(path)
    assert [one.what for one in found if not isinstance(one, Note)] == [
        "ranking: true needs columns that name chosen and rejected"
    ]
    assert [one.what.rpartition("; ")[2] for one in found if isinstance(one, Note)] == [
        "its data has none",
        "its data is not here to look at",
    ]


def test_fault_148_every_row_of_a_file_is_looked_at(folder: Path) -> None:
    talk = [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]
    rows = [{"messages": talk}] * 400 + [{"messages": [{"role": "system", "content": "海"}, *talk]}]
    (folder / "late.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    entry = LIKE_THEIRS["pictures"] | {"file_name": "late.jsonl", "columns": {"messages": "messages"}}
    problems = said(folder, **entry)
    assert any(one.endswith("its rows are dropped (first row 401)") for one in problems)


@pytest.mark.parametrize("text", ["{", ""])
def test_fault_155_rows_that_were_not_compared_are_said(folder: Path, text: str) -> None:
    (folder / "torn.json").write_text(text, encoding="utf-8")
    (told,) = said(folder, file_name="torn.json")
    assert told.startswith("the rows of torn.json were not compared with this entry: ")
