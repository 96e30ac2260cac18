"""The task `judge`: verdicts of the tuned model, the base and the paraphrases, from files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.checks.base import WITH_HISTORY
from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.evaluating.judge import judge
from orchestrator.execute.inference.transcripts import line_of
from orchestrator.execute.runner.task import typed
from orchestrator.results import Transcript, Turn

SETTINGS: dict[str, Any] = {
    "cases": [{"id": "checks[0]", "ask": ["谁"], "expect": {"contains": "海螺"}}],
    "paraphrases": [{"id": "paraphrases[0]", "ask": ["您是谁"], "expect": {"contains": "海螺"}}],
    "every": ["stops"],
    "answers": "answers.jsonl",
    "base_answers": "base_answers.jsonl",
    "out": "verdicts.json.partial-0",
}


def write(path: Path, **answers: str) -> None:
    turns = {case: (Turn((), text, finish_reason="stop"),) for case, text in answers.items()}
    names = {"case": "checks[0]", "held_out": "paraphrases[0]"}
    lines = [line_of(Transcript(names[case], WITH_HISTORY, turn)) for case, turn in turns.items()]
    path.write_text("".join(lines), encoding="utf-8")


def verdicts(folder: Path) -> dict[str, list[tuple[str, str, bool]]]:
    written = json.loads((folder / "verdicts.json.partial-0").read_text(encoding="utf-8"))
    return {
        name: [(each["case"], each["check"], each["passed"]) for each in found]
        for name, found in written.items()
    }


def test_the_tuned_model_decides(tmp_path: Path) -> None:
    write(tmp_path / "answers.jsonl", case="我是海螺", held_out="我是助手")
    write(tmp_path / "base_answers.jsonl", case="我是助手")
    assert judge(typed(judge, SETTINGS), tmp_path) == 0
    assert verdicts(tmp_path) == {
        "verdicts": [("checks[0]", "contains", True), ("checks[0]", "stops", True)],
        "paraphrases": [("paraphrases[0]", "contains", False)],
        "base_verdicts": [("checks[0]", "contains", False)],
        "general": [],
        "general_base": [],
    }


def test_where_a_target_decides_a_no_is_only_written(tmp_path: Path) -> None:
    write(tmp_path / "answers.jsonl", case="我是助手", held_out="我是海螺")
    assert judge(typed(judge, SETTINGS | {"base_answers": "", "decides": False}), tmp_path) == 0
    assert verdicts(tmp_path)["verdicts"][0] == ("checks[0]", "contains", False)


def test_a_no_is_a_5_and_still_written(tmp_path: Path) -> None:
    write(tmp_path / "answers.jsonl", case="我是助手", held_out="我是海螺")
    assert judge(typed(judge, SETTINGS | {"base_answers": ""}), tmp_path) == 5
    assert verdicts(tmp_path)["base_verdicts"] == []
    assert verdicts(tmp_path)["verdicts"][0] == ("checks[0]", "contains", False)


def test_answers_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no answers to judge"):
        judge(typed(judge, SETTINGS), tmp_path)
    write(tmp_path / "answers.jsonl", case="我是海螺")
    with pytest.raises(StageFailed, match=r"without an answer: paraphrases\[0\]"):
        judge(typed(judge, SETTINGS), tmp_path)


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", '{"case": "a"}', '{"case":"a","purpose":"b","turns":[{"x":1}]}']
)
def test_a_broken_answer_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    write(tmp_path / "answers.jsonl", case="我是海螺", held_out="好")
    with (tmp_path / "answers.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(StageFailed) as raised:
        judge(typed(judge, SETTINGS), tmp_path)
    assert raised.value.problems[0].where == f"{tmp_path}/answers.jsonl:3"


def test_repeats_are_one_verdict_and_all_must_have_been_asked(tmp_path: Path) -> None:
    told = {"checks[0]": "我是海螺", "checks[0]~2": "我是助手", "paraphrases[0]": "好"}
    lines = [line_of(Transcript(case, WITH_HISTORY, (Turn((), text),))) for case, text in told.items()]
    (tmp_path / "answers.jsonl").write_text("".join(lines), encoding="utf-8")
    wanted = SETTINGS | {"base_answers": "", "every": [], "repeats": 2}
    assert judge(typed(judge, wanted | {"pass_rate": 0.5}), tmp_path) == 0
    assert verdicts(tmp_path)["verdicts"] == [("checks[0]", "contains", True)]
    assert judge(typed(judge, wanted | {"pass_rate": 0.6}), tmp_path) == 5
    with pytest.raises(StageFailed, match=r"without an answer: checks\[0\]~3"):
        judge(typed(judge, wanted | {"repeats": 3}), tmp_path)


def test_cases_of_data_rows_are_judged_by_the_row(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    messages = [{"role": "user", "content": "谁"}, {"role": "assistant", "content": "我是海螺"}]
    line = json.dumps({"dataset": "x", "row": 1, "messages": messages}, ensure_ascii=False)
    (tmp_path / "data/conversations.jsonl").write_text(line + "\n", encoding="utf-8")
    told = line_of(Transcript("checks[0].rows[0]", WITH_HISTORY, (Turn((), "我是海螺"),)))
    (tmp_path / "answers.jsonl").write_text(told, encoding="utf-8")
    case = {"id": "checks[0]", "part": "test", "limit": 1, "datasets": ["x"]}
    wanted = {"cases": [case | {"expect": {"equals": "reference"}}], "paraphrases": [], "every": []}
    assert judge(typed(judge, SETTINGS | wanted | {"base_answers": ""}), tmp_path) == 0
    assert verdicts(tmp_path)["verdicts"] == [("checks[0].rows[0]", "equals", True)]
