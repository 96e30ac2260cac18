"""A dataset that is split: every row in one part, each part a dataset of its own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets.split import SplitSpec
from orchestrator.errors import UsageError
from orchestrator.execute.data.split import SplitRows
from tests.execute.data.test_prepare import lines_of, prepare, settings, written


def asked(path: Path, *questions: str, **more: Any) -> Path:
    rows = [{"instruction": one, "input": "", "output": f"答{n}", **more} for n, one in enumerate(questions)]
    return written(path, *rows)


SPLIT = {"weights": {"train": 7.0, "test": 2.0, "validation": 1.0}, "seed": 3, "stratify": ""}


def test_a_data_set_is_split_into_files_of_their_own(tmp_path: Path) -> None:
    source = asked(tmp_path / "raw.jsonl", *(f"第{n}问" for n in range(20)))
    assert prepare({**settings(source), "split": SPLIT}, tmp_path) == 0
    out = tmp_path / "data.partial-0"
    report = json.loads((out / "prepare.json").read_text(encoding="utf-8"))["datasets"]
    assert [(one["name"], one["part"], one["rows"]) for one in report] == [
        ("x", "train", 14),
        ("x_validation", "validation", 2),
        ("x_test", "test", 4),
    ]
    assert (report[0]["rows_in"], report[0]["rows_kept"]) == (20, 20)
    files = {one["name"]: lines_of(out / f"{one['name']}.jsonl") for one in report}
    for one in report:
        path = out / f"{one['name']}.jsonl"
        assert one["sha256_out"] == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        assert one["file"] == "raw.jsonl"
    together = lines_of(out / "conversations.jsonl")
    assert sorted(row["row"] for row in together) == list(range(1, 21))
    for name, rows in files.items():
        mine = [row for row in together if row["dataset"] == name]
        assert [row["messages"] for row in mine] == [row["messages"] for row in rows]
        assert all(row["messages"][0]["content"] == f"第{row['row'] - 1}问" for row in mine)
    names = [row["dataset"] for row in together]
    assert list(dict.fromkeys(names)) == ["x", "x_validation", "x_test"], "the order in which they are proven"
    info = json.loads((out / "dataset_info.json").read_text(encoding="ascii"))
    assert [*info] == ["x", "x_validation", "x_test", "conch_generated", "conch_held_out"]


def test_a_split_that_cannot_be_made_says_how_many_rows_it_needs(tmp_path: Path) -> None:
    source = asked(tmp_path / "raw.jsonl", "一", "二")
    with pytest.raises(UsageError, match="at least 3 different questions are needed"):
        prepare({**settings(source), "split": SPLIT}, tmp_path)
    source = asked(tmp_path / "more.jsonl", *map(str, range(9)))
    with pytest.raises(UsageError, match=r'more\.jsonl:1  no column "科室" to stratify by'):
        prepare({**settings(source), "split": {**SPLIT, "stratify": "科室"}}, tmp_path)


def test_faults_are_told_before_anything_is_split(tmp_path: Path) -> None:
    source = asked(tmp_path / "raw.jsonl", "一", "")
    with pytest.raises(UsageError, match="1 of 2 rows"):
        prepare({**settings(source), "split": SPLIT}, tmp_path)


def test_only_what_is_trained_gives_paraphrases_their_answer(tmp_path: Path) -> None:
    questions = [f"第{n}问" for n in range(10)]
    source = asked(tmp_path / "raw.jsonl", *questions)
    held = [{"ask": f"换{n}", "expect": {"contains": "?"}, "of": one} for n, one in enumerate(questions)]
    written(tmp_path / "p.jsonl", *held)
    prepare({**settings(source), "split": SPLIT, "held_out": ["p.jsonl"]}, tmp_path)
    out = tmp_path / "data.partial-0"
    trained = {row["messages"][1]["content"] for row in lines_of(out / "x.jsonl")}
    assert {row["messages"][1]["content"] for row in lines_of(out / "conch_held_out.jsonl")} == trained
    assert len(trained) == 7


def test_nothing_is_left_on_the_disk_while_rows_are_kept(tmp_path: Path) -> None:
    """So that whatever ends the process leaves nothing either."""
    talk = [{"role": "user", "content": "一"}, {"role": "assistant", "content": "壹"}]
    with SplitRows(tmp_path, SplitSpec({"train": 1.0}), "x") as dealt:
        dealt.add(7, talk, b"line\n")
        assert list(tmp_path.iterdir()) == []
        assert dealt.deal() == {"train": 1}
        assert list(dealt.rows_of("train")) == [(7, b"line\n")]
