"""What is added is looked through: every row, with pictures refused and a way out of every fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets.audit import Rules
from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.data.data_file import DataOptions
from orchestrator.execute.data.scan import ScanResult, scan

GOOD = {"instruction": "你是谁", "input": "", "output": "我是海螺。"}
BAD = {"instruction": "你是谁", "input": "", "output": ""}


@pytest.fixture
def look(tmp_path: Path) -> Any:
    def looked(*rows: dict[str, Any], name: str = "海螺.jsonl", **options: Any) -> ScanResult:
        path = tmp_path / name
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text(text, encoding="utf-8")
        return scan(path, name, DataOptions(**options))

    return looked


def test_what_is_in_it(look: Any) -> None:
    seen = look(GOOD, {**GOOD, "instruction": "几点开门", "extra": 1})
    assert (seen.file.format, seen.file.sniffed, seen.file.audit.kept) == ("alpaca", True, 2)
    assert [case.ask for case in seen.cases] == [("你是谁",), ("几点开门",)]
    said = seen.to_json()
    assert (said["rows_in"], said["cases"], said["keys_not_used"]) == (2, 2, {"extra": 1})


def test_columns_can_be_named(look: Any) -> None:
    columns = {"prompt": "问题", "response": "答案"}
    seen = look({"问题": "一", "答案": "二"}, format="alpaca", columns=columns)
    assert (seen.file.sniffed, dict(seen.columns), seen.cases[0].answer) == (False, columns, "二")
    with pytest.raises(UsageError, match="the format alpaca has no column frage"):
        look(GOOD, format="alpaca", columns={"frage": "x"})


def test_columns_of_other_names_are_found_and_said(look: Any) -> None:
    seen = look({"问题": "一", "答案": "二", "编号": 3})
    assert (seen.file.format, seen.file.sniffed, seen.cases[0].ask) == ("question_answer", True, ("一",))
    assert dict(seen.columns) == {"prompt": "问题", "response": "答案"}
    seen = look({"question": "一", "prompt": "图", "answer": "二"}, columns={"prompt": "question"})
    assert (seen.cases[0].ask, dict(seen.columns)) == (("一",), {"prompt": "question"})


def test_faults_are_refused_with_the_way_out(look: Any) -> None:
    with pytest.raises(UsageError) as caught:
        look(GOOD, BAD)
    *_, last = caught.value.problems
    assert "海螺.jsonl:2" in str(caught.value)
    assert last.hint == ("--fix makes the safe repairs; --drop-bad drops such rows; or fix them")
    with pytest.raises(UsageError) as caught:
        look(GOOD, BAD, rules=Rules(fix=True))
    assert caught.value.problems[-1].hint == "--drop-bad drops such rows; or fix them"
    assert look(GOOD, BAD, rules=Rules(drop_bad=True)).file.audit.kept == 1


def test_pictures_are_refused_with_what_would_be_needed(look: Any) -> None:
    rows = [{**GOOD, "images": ["a.png"]}] * 5
    with pytest.raises(UsageError) as caught:
        look({**GOOD, "images": []}, *rows, rules=Rules(fix=True))
    first, _, _, last = caught.value.problems
    assert first.where == "海螺.jsonl:2"
    assert first.what == "\"images\" of the row is an image, a video or audio: ['a.png']"
    assert "a picture would need a base model that sees, its image processor" in first.hint
    assert last.what == "5 of 6 rows would be dropped or trained wrongly (image 5)"
    assert look({**GOOD, "images": []}).file.audit.kept == 1
    assert look(GOOD, *rows, rules=Rules(drop_bad=True)).file.audit.faults.counts == {"image": 5}


def test_a_list_of_data_sets_is_no_data_set(look: Any) -> None:
    with pytest.raises(UsageError, match="a list of datasets"):
        look({"a": {"file_name": "x.jsonl"}}, name="dataset_info.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        scan(tmp_path / "x.jsonl", "x.jsonl", DataOptions())


def test_rows_of_every_kind_are_looked_through(look: Any) -> None:
    pair = {"prompt": "几点开门？", "chosen": "早上九点。", "rejected": "我也不太清楚呢。"}
    seen = look(pair)
    assert (seen.file.purpose, seen.file.audit.tally) == ("dpo", {"better answer not longer": 1})
    ((case,), tokens) = (seen.cases, seen.tokens)
    assert (case.ask, case.expect) == (("几点开门？",), {"not_contains": "不太清楚"})
    assert tokens == len("几点开门？早上九点。我也不太清楚呢。")
    liked = {"instruction": "几点开门？", "output": "早上九点。", "kto_tag": True}
    worse = {"instruction": "在哪里？", "output": "我也不太清楚呢。", "kto_tag": False}
    assert [case.ask for case in look(liked, worse).cases] == [("在哪里？",)]
    assert look({"text": "一篇文章"}).cases == ()


def test_one_sided_likes_are_refused_at_the_first_row(look: Any) -> None:
    with pytest.raises(UsageError, match="all 2 answers are disliked") as caught:
        look(*[{"instruction": f"{n}？", "output": "不知道。", "kto_tag": False} for n in (1, 2)])
    assert caught.value.problems[0].where == "海螺.jsonl:1"
