"""`conch data audit`: what a file holds, and what is wrong with it, before anything is trained."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main

GOOD = [
    {"data": ["问：头疼怎么办？", "答：多久了？", "问：三天", "答：去医院。"], "id": 1},
    {"data": ["问：咳嗽", "答：多喝水。"]},
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def audited(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = main.run(["data", "audit", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_file_is_understood_and_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "海螺 rows.jsonl", *GOOD)
    code, said = audited(capsys, str(path))
    assert code == 0
    assert said["data"] == {
        "file": str(path),
        "format": "huatuo",
        "sniffed": True,
        "columns": {"data": "data"},
        "notes": [],
        "rows_in": 2,
        "rows_kept": 2,
        "turns_in": 3,
        "turns": 3,
        "faults": {},
        "warnings": {},
        "repairs": {},
        "dropped": {},
        "keys_not_used": {"id": 1},
        "sha256": "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert main.run(["data", "audit", str(path)]) == 0
    text = capsys.readouterr().out
    assert "huatuo: the format of the first whole row" in text
    assert "2, of which 2 can be trained" in text
    assert "id (1)" in text


def test_every_bad_row_is_counted_and_the_first_are_shown_with_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(
        tmp_path / "rows.jsonl", GOOD[0], {"data": ["问：一"]}, {"data": ["问：一", "二"]}, GOOD[1]
    )
    before = path.read_bytes()
    code, said = audited(capsys, str(path))
    assert code == 2
    faults = said["data"]["faults"]
    assert {kind: found["rows"] for kind, found in faults.items()} == {"no last answer": 1, "speaker": 1}
    assert said["data"]["rows_kept"] == 2
    assert [one["where"] for one in said["problems"]] == [f"{path}:2", f"{path}:3", str(path)]
    assert all(one["hint"] for one in said["problems"])
    assert path.read_bytes() == before


def test_parts_with_other_names_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "faq.jsonl", {"问题": "你是谁", "答案": "海螺。"})
    code, said = audited(capsys, str(path))
    assert (code, said["data"]["format"], said["data"]["keys_not_used"]) == (0, "question_answer", {})
    path = written(tmp_path / "strange.jsonl", {"甲": "你是谁", "乙": "海螺。"})
    code, said = audited(capsys, str(path))
    assert code == 2
    assert "no format matches this row (keys: 甲, 乙)" in said["problems"][0]["what"]
    names = ("--column", "prompt=甲", "--column", "response=乙")
    for option in ((), ("--format", "firefly")):
        code, said = audited(capsys, str(path), *option, *names)
        assert (code, said["data"]["turns"], said["data"]["keys_not_used"]) == (0, 1, {})


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("nowhere.jsonl",), 3, "no such data file"),
        (("leer",), 3, "in the folder"),
        (("rows.jsonl", "--format", "alpacca"), 2, 'no format named "alpacca"'),
        (("rows.jsonl", "--column", "data"), 2, "PART=NAME"),
        (("rows.jsonl", "--column", "question=问"), 2, "has no column question"),
    ],
)
def test_what_cannot_be_read_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, what: str
) -> None:
    written(here / "rows.jsonl", *GOOD)
    (here / "leer").mkdir()
    got, said = audited(capsys, *words)
    assert got == code
    assert what in said["problems"][0]["what"]


def test_a_dataset_info_is_linted_against_the_files_beside_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(here / "海螺.jsonl", {"instruction": "你是谁", "output": "海螺"})
    info = {"conch": {"file_name": "海螺.jsonl"}}
    (here / "dataset_info.json").write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")
    assert main.run(["data", "audit", "dataset_info.json"]) == 2
    said = capsys.readouterr()
    assert "a list of datasets" in said.out
    assert 'dataset_info.json:2:2  without `columns`, columns.query is "input"' in said.err
    code, found = audited(capsys, "dataset_info.json", "--stage", "dpo")
    assert (code, found["data"]["problems"]) == (2, 2)
    info["conch"]["columns"] = {"prompt": "instruction", "response": "output"}  # type: ignore[assignment]
    (here / "mine.json").write_text(json.dumps(info, ensure_ascii=False), encoding="utf-8")
    code, found = audited(capsys, "mine.json")
    assert (code, found["data"]["problems"]) == (0, 0)


def test_fault_148_a_note_of_a_dataset_info_is_no_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}
    written(tmp_path / "a.jsonl", row)
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entry = {"file_name": "a.jsonl", "formatting": "sharegpt", "columns": {"messages": "messages"}}
    path = written(tmp_path / "dataset_info.json", {"a": entry | {"tags": tags}})
    code, told = audited(capsys, str(path))
    assert (code, told["problems"], told["data"]["problems"]) == (0, [], 0)
    (note,) = told["data"]["notes"]
    assert note["what"].startswith("tags does not name observation_tag, function_tag, system_tag")
    assert main.run(["data", "audit", str(path)]) == 0
    assert f"note          {path}:1:" in capsys.readouterr().out
