"""`conch data stats`: a file or a recipe's data, with and without tokens, as text, JSON and page."""
# Covers execute/data/statistics.py

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.small_world import SmallWorld

ROWS = [
    {"data": ["问：头疼怎么办？", "答：多喝水。", "问：还有呢？", "答：多喝水。"]},
    {"data": ["问：咳嗽", "答：请打 13812345678"]},
    {"data": ["问：咳嗽", "答：作为一个AI，我不能回答。"]},
    {"data": ["问：头疼怎么办？", "答：多喝水。", "问：还有呢？", "答：多喝水。"]},
    {"data": ["问：没有回答"]},
]


@pytest.fixture
def there(small: SmallWorld) -> SmallWorld:
    write(small.project / "问答.jsonl", ROWS)
    return small


def write(path: Path, rows: Sequence[Any]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def stats(world: SmallWorld, *words: str) -> Any:
    said = world.run("data", "stats", *words, "--json")
    assert said.code == 0, said.err
    return said.envelope["data"]["data_sets"]


def test_a_file_without_a_tokenizer_has_characters_alone_and_says_so(there: SmallWorld) -> None:
    (one,) = stats(there, "问答.jsonl")
    assert (one["format"], one["rows"], one["rows_whole"], one["answers"]) == ("huatuo", 5, 4, 6)
    assert one["tokens"] is None
    assert one["duplicates"]["duplicate rows"] == 1
    assert one["duplicates"]["one question, several answers"] == 1
    assert one["repeated_answers"]["top"] == [{"text": '"多喝水。"', "count": 4}]
    assert one["faults"]["no last answer"]["rows"] == 1
    assert one["warnings"]["phone number"]["rows"] == 1
    assert one["warnings"]["answer is a refusal"]["rows"] == 1
    assert one["turns"]["most"] == 2
    said = there.run("data", "stats", "问答.jsonl")
    assert "not counted: --recipe RECIPE" in said.out
    assert "13812345678" not in said.out


def test_a_recipes_data_sets_are_counted_in_its_tokens(small: SmallWorld) -> None:
    (one,) = stats(small, "small")
    assert one["file"] == "dataset_info/small.jsonl"
    tokens = one["tokens"]
    assert tokens["cutoff"] == 1024
    assert tokens["over"] == 0
    assert tokens["sampled"] == one["rows"] == 4
    # The fake tokenizer's letters: what the template adds is counted with them.
    answer = "<think>\n\n</think>\n\n我是神奇海螺。"
    assert tokens["answer"]["least"] <= len(answer) + 1 <= tokens["answer"]["most"]
    (cut,) = stats(small, "small", "--cutoff", "40")
    assert cut["tokens"]["over"] > 0


def test_a_file_is_counted_as_a_recipe_trains_it(there: SmallWorld) -> None:
    (one,) = stats(there, "问答.jsonl", "--recipe", "small")
    assert one["tokens"]["template"] == "deepseekr1"
    assert one["tokens"]["sampled"] == 4


def test_the_page_shows_what_json_says_and_runs_nothing(there: SmallWorld) -> None:
    rows = [*ROWS, {"data": ["问：<script>alert(1)</script>", "答：<script>"]}]
    rows += [{"data": ["问：二", "答：<script>"]}]
    write(there.project / "问答.jsonl", rows)
    said = there.run("data", "stats", "问答.jsonl", "--recipe", "small", "--cutoff", "80", "--out", "页.html")
    assert said.code == 0, said.err
    page = there.read("页.html")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "13812345678" not in page
    assert 'class="limit"' in page
    assert page.count("<svg") == 3
    assert "多喝水。" in page


def test_nearly_the_same_questions_are_found_when_asked(there: SmallWorld) -> None:
    long = "我最近三个月经常头疼得厉害，晚上也睡不好觉，白天没有精神，请问应该去医院挂什么科室比较好"
    write(
        there.project / "near.jsonl", [{"data": [f"问：{long}{end}", "答：神经内科。"]} for end in ("", "呢")]
    )
    assert stats(there, "near.jsonl")[0]["near_duplicates"] is None
    (one,) = stats(there, "near.jsonl", "--near-duplicates", "--out", "near.html")
    assert one["near_duplicates"]["rows"] == 1
    (first,) = one["near_duplicates"]["first"]
    assert (first["where"], first["like"]) == ("near.jsonl:2", "near.jsonl:1")
    assert "near.jsonl:2, like near.jsonl:1" in there.read("near.html")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nowhere.jsonl"], 3, "nowhere.jsonl"),
        (["no_such_recipe"], 2, "no_such_recipe"),
        (["问答.jsonl", "--template", "qwen3"], 2, "--template needs --tokenizer"),
        (["问答.jsonl", "--tokenizer", "nowhere"], 3, "no such folder"),
        (["问答.jsonl", "--recipe", "small", "--template", "qwen3"], 2, "--template"),
        (["small", "--format", "alpaca"], 2, "--format is for a file"),
        (["small", "--column", "prompt=问"], 2, "--column is for a file"),
        (["问答.jsonl", "--out", "page.txt"], 2, "must end in .html"),
        (["问答.jsonl", "--format", "huatuo", "--column", "nothing=x"], 2, "has no column nothing"),
        (["问答.jsonl", "--cutoff", "0"], 2, "--cutoff"),
    ],
)
def test_what_cannot_be_counted_is_one_clear_message(
    there: SmallWorld, words: list[str], code: int, told: str
) -> None:
    said = there.run("data", "stats", *words)
    assert said.code == code, said.err
    assert told in said.err
    assert "Traceback" not in said.err


def test_a_file_of_which_nothing_can_be_read_says_why(there: SmallWorld) -> None:
    write(there.project / "bad.jsonl", [{"data": ["问：没有回答"]}])
    said = there.run("data", "stats", "bad.jsonl")
    assert said.code == 2, said.err
    assert "bad.jsonl:1" in said.err


def test_rows_for_validation_are_counted_too(there: SmallWorld) -> None:
    write(there.project / "dataset_info/given.jsonl", ROWS[:2])
    entry = "format: huatuo\nfile: given.jsonl\nlicence: x\nsource: x\n"
    (there.project / "dataset_info/given.yaml").write_text(entry, encoding="utf-8")
    there.write_recipe(("{dataset: small}", "{dataset: small, validation: given}"))
    found = stats(there, "small")
    assert [one["file"] for one in found] == ["dataset_info/small.jsonl", "dataset_info/given.jsonl"]
    assert [one["tokens"]["sampled"] for one in found] == [4, 2]


def test_documents_have_no_answers(there: SmallWorld) -> None:
    write(there.project / "books.jsonl", [{"text": "神奇海螺的书。"}, {"text": "另一本书，很长很长。"}])
    (one,) = stats(there, "books.jsonl", "--out", "books.html")
    assert (one["rows"], one["answers"]) == (2, 0)
    assert one["characters"]["row"]["most"] == 10
    said = there.run("data", "stats", "books.jsonl")
    assert "none" not in said.out
    (counted,) = stats(there, "books.jsonl", "--recipe", "small")
    assert counted["tokens"]["row"]["most"] == len("另一本书，很长很长。")
    assert counted["tokens"]["question"]["count"] == 0
