"""`conch data add`: what it says, and that the recipe it writes can be planned by what it says to type."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.small_world import SmallWorld

ROWS = [
    {"问题": "你是谁", "答案": "我是海螺。", "id": 7},
    {"问题": "几点开门", "答案": "九点。"},
]
BASE = ("--recipe", "small")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "海螺.jsonl", *ROWS)


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_file_is_added_and_what_to_type_next_is_said(small: SmallWorld, file: Path) -> None:
    said = small.run("data", "add", str(file), *BASE)
    assert said.code == 0
    assert "from “海螺”; choose another with --name" in said.out
    assert "columns       prompt = 问题, response = 答案" in said.out
    assert "rows          2, of which 2 are trained, with 2 answers" in said.out
    assert "not used      id (1)" in said.out
    assert "extends small and asks 2 questions" in said.out
    name = re.search(r"conch sft (\S+)", said.out)
    assert name
    planned = small.run("plan", name[1])
    assert planned.code == 0
    assert "dataset_info/data/" in planned.out


def test_json_says_it_for_machines(small: SmallWorld, file: Path) -> None:
    data = small.run("data", "add", str(file), *BASE, "--name", "faq", "--json").envelope["data"]
    assert data["file"].endswith("海螺.jsonl")
    assert (data["name"], data["base"], data["format"]) == ("faq", "small", "question_answer")
    assert (data["rows_kept"], data["cases"], data["columns"]["prompt"]) == (2, 2, "问题")
    assert [data[key] for key in ("rows", "entry", "recipe")] == [
        "dataset_info/data/faq.jsonl",
        "dataset_info/faq.yaml",
        "recipes/faq.yaml",
    ]


def test_what_is_done_about_bad_rows_is_counted(small: SmallWorld, tmp_path: Path) -> None:
    bad = {"问题": "空", "答案": ""}
    file = written(tmp_path / "faq.jsonl", *ROWS, bad)
    refused = small.run("data", "add", str(file), *BASE)
    assert (refused.code, refused.out) == (2, "")
    assert "faq.jsonl:3" in refused.err
    assert "--fix makes the safe repairs" in refused.err
    assert not (small.project / "recipes/faq.yaml").exists()
    said = small.run("data", "add", str(file), *BASE, "--drop-bad")
    assert said.code == 0
    assert re.search(r"dropped +empty\S*.*: 1", said.out), said.out


@pytest.mark.parametrize("words", [("none.jsonl",), ("hub:x",), ("none.jsonl", "--name", "海螺"), ()])
def test_a_wrong_line_ends_with_a_sentence(small: SmallWorld, words: tuple[str, ...]) -> None:
    said = small.run("data", "add", *words, "--recipe", "small")
    assert said.code in {2, 3}
    assert said.err
    assert "Traceback" not in said.err


PAIRS = [
    {"question": "几点开门？", "good": "早上九点。", "bad": "我也不太清楚呢。"},
    {"question": "在哪里？", "good": "在码头旁边。", "bad": "这个不好说啊。"},
]
LIKES = [
    {"问题": row["question"], "回答": row[side], "点赞": side} for row in PAIRS for side in ("good", "bad")
]


@pytest.mark.parametrize(
    ("rows", "kind", "asked"),
    [
        (PAIRS, "dpo", 2),
        (LIKES, "kto", 2),
        ([{"text": f"海螺的第{number}个故事。" * 4} for number in range(3)], "pretrain", 0),
    ],
)
def test_rows_of_every_kind_become_a_recipe_of_that_kind(
    small: SmallWorld,
    tmp_path: Path,
    rows: list[dict[str, str]],
    kind: str,
    asked: int,
) -> None:
    columns = list(rows[0])
    table = "\n".join(
        ",".join(row[column] for column in columns)
        for row in [dict(zip(columns, columns, strict=True)), *rows]
    )
    (tmp_path / "rows.csv").write_text(table + "\n", encoding="utf-8")
    said = small.run("data", "add", str(tmp_path / "rows.csv"), *BASE, "--name", "mine", "--fix")
    assert said.code == 0, said.err
    recipe = (small.project / "recipes/mine.yaml").read_text(encoding="utf-8")
    assert f"kind: {kind}" in recipe
    assert recipe.count("not_contains") == asked
    planned = small.run("plan", "mine", "--json")
    assert planned.code == 0, planned.err
    again = small.run("data", "add", str(tmp_path / "rows.csv"), *BASE, "--name", "mine", "--fix")
    assert again.code == 0, "the same again changes nothing"


def test_a_folder_of_documents_has_one_in_each_file(small: SmallWorld, tmp_path: Path) -> None:
    folder = tmp_path / "故事"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"第{number}章\n\n海螺说了话。\n海螺走了。\n", encoding="utf-8")
    said = small.run("data", "add", str(folder), *BASE, "--name", "stories")
    assert said.code == 0, said.err
    assert "rows          3, of which 3 are trained" in said.out
    assert "build an sft recipe on it, model: {base: recipe:stories}" in said.out
    assert 'items: "file"' in (small.project / "dataset_info/stories.yaml").read_text(encoding="utf-8")
    assert small.run("plan", "stories").code == 0
    lines = small.run("data", "add", str(folder), *BASE, "--name", "lines", "--items", "line")
    assert "rows          9, of which 9" in lines.out
    wrong = small.run("data", "add", str(folder), *BASE, "--name", "wrong", "--items", "word")
    assert wrong.code == 2
    assert "one of: line, paragraph, file" in wrong.err
