"""Cases made of the rows that were prepared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.checks.base import Case, DatasetCase
from orchestrator.errors import MissingError
from orchestrator.execute.inference.dataset_cases import cases_in
from orchestrator.plan.stages.base import CONVERSATIONS

DRAWN = DatasetCase(id="checks[1]", part="test", datasets=("x_test",), expect={"similar": {"least": 0.5}})
PLAIN = Case("checks[0]", ("谁",), expect={"contains": "海螺"})


def talk(*turns: str, system: str = "", dataset: str = "x_test", roles: str = "") -> dict[str, Any]:
    told = [{"role": "system", "content": system}] if system else []
    names = roles.split() or [("user", "assistant")[at % 2] for at in range(len(turns))]
    messages = [{"role": role, "content": text} for role, text in zip(names, turns, strict=True)]
    return {"dataset": dataset, "row": 1, "messages": told + messages}


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / CONVERSATIONS
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_a_row_asks_what_its_user_said_and_wants_its_last_answer(tmp_path: Path) -> None:
    write(
        tmp_path,
        talk("训练", "不算", dataset="x"),
        talk("在哪？", "海底", "几点？", "<think>嗯</think>\n\n九点。", system="简短"),
        talk("谁", "海螺"),
    )
    expect = {"similar": {"to": "九点。", "least": 0.5}}
    assert cases_in([PLAIN, DRAWN], tmp_path) == [
        Case("checks[0]", ("谁",), "", {"contains": "海螺"}),
        Case("checks[1].rows[0]", ("在哪？", "几点？"), "简短", expect),
        Case("checks[1].rows[1]", ("谁",), "", {"similar": {"to": "海螺", "least": 0.5}}),
    ]


def test_a_limit_takes_rows_from_all_over_the_part(tmp_path: Path) -> None:
    write(tmp_path, *(talk(f"问{at}", "答") for at in range(10)))
    asked = cases_in([replace(DRAWN, limit=3)], tmp_path)
    assert [case.id for case in asked] == ["checks[1].rows[0]", "checks[1].rows[3]", "checks[1].rows[6]"]
    assert len(cases_in([replace(DRAWN, limit=99)], tmp_path)) == 10


def test_the_recipes_system_prompt_stands_for_the_rows(tmp_path: Path) -> None:
    write(tmp_path, talk("谁", "海螺", system="简短"))
    assert cases_in([replace(DRAWN, system="详细")], tmp_path)[0].system == "详细"


def test_rows_that_cannot_be_asked_are_passed_over(tmp_path: Path) -> None:
    odd = (
        talk("谁", "海螺", "好", roles="user assistant user"),
        talk("谁", "{}", "海螺", roles="user function_call assistant"),
        talk("谁", "<think>嗯</think>"),
    )
    write(tmp_path, *odd, talk("在", "好"))
    assert [case.ask for case in cases_in([DRAWN], tmp_path)] == [("在",)]
    write(tmp_path, *odd)
    with pytest.raises(MissingError, match=r"checks\[1\]: no row of x_test can be asked"):
        cases_in([DRAWN], tmp_path)


def test_data_that_is_not_there_is_told_and_not_needed_for_plain_cases(tmp_path: Path) -> None:
    assert len(cases_in([PLAIN], tmp_path)) == 1
    with pytest.raises(MissingError, match="does not exist"):
        cases_in([DRAWN], tmp_path)
