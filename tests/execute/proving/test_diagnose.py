"""Which questions are asked, and when the run's own answers may stand in for asking."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.engines import CONFIG
from orchestrator.errors import MissingError
from orchestrator.execute.proving.diagnose import MOST, _bare, _own_answers, choose_questions
from orchestrator.execute.run_store.fingerprint import fingerprint
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.plan.stage import Command, Plan, RenderedFile, Service, Stage
from orchestrator.results import StageResult, Status

ASK: dict[str, Any] = {"max_tokens": 64, "temperature": 0.0, "out": "answers.jsonl.partial-0"}


def plan_of(cases: list[dict[str, Any]], parser: str = "deepseek_r1", **more: Any) -> Plan:
    settings = RenderedFile("tasks/ask.json", json.dumps(ASK | {"cases": cases} | more, ensure_ascii=False))
    served = RenderedFile(CONFIG, "dtype: float32\n")
    service = Service("server", Command(("serve",)), "r", reasoning_parser=parser)
    return Plan("r", "", (Stage("ask", files=(settings, served), service=service),))


def case(number: int, **expect: Any) -> dict[str, Any]:
    return {"id": f"checks[{number}]", "ask": [f"问题 {number}"], "expect": expect or {"contains": "海螺"}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "r")


def test_at_most_eight_are_asked_from_all_over_the_recipe(run: Run) -> None:
    asked = choose_questions(plan_of([case(number) for number in range(20)]), run)
    assert len(asked.cases) == MOST
    assert [asked.cases[0].id, asked.cases[-1].id] == ["checks[0]", "checks[17]"]
    assert (asked.parser, asked.max_tokens, asked.same) == ("deepseek_r1", 64, True)


def test_what_needs_streaming_is_left_out(run: Run) -> None:
    both = [case(0, streamed=True), case(1, streamed=True, contains="海螺")]
    (one,) = choose_questions(plan_of(both), run).cases
    assert (one.id, dict(one.expect)) == ("checks[1]", {"contains": "海螺"})
    with pytest.raises(MissingError, match="has an expectation"):
        choose_questions(plan_of(both[:1]), run)


def test_questions_of_data_rows_are_left_out(run: Run) -> None:
    drawn = {
        "id": "checks[0]",
        "part": "test",
        "limit": 2,
        "datasets": ["x"],
        "expect": {"equals": "reference"},
    }
    assert [one.id for one in choose_questions(plan_of([drawn, case(1)]), run).cases] == ["checks[1]"]


def test_long_or_drawn_answers_of_the_run_are_not_the_same(run: Run) -> None:
    long = choose_questions(plan_of([case(0)], max_tokens=4096), run)
    assert (long.max_tokens, long.same) == (256, False)
    assert not choose_questions(plan_of([case(0)], temperature=0.7), run).same


def test_a_plan_of_another_version_is_told(run: Run) -> None:
    with pytest.raises(MissingError, match="another version"):
        choose_questions(Plan("r", "", ()), run)


def test_the_runs_own_answers_count_as_long_as_nothing_was_changed(run: Run) -> None:
    plan = plan_of([case(0)])
    asked = choose_questions(plan, run)
    (run.path / "export").mkdir()
    (run.path / "export/model.safetensors").write_bytes(b"weights")
    (run.path / CONFIG).write_text(plan.stage("ask").files[1].text, encoding="utf-8")
    assert _own_answers(run, plan, asked) is None
    line = {"case": "checks[0]", "purpose": "with history", "turns": []}
    (run.path / "answers.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    known = {path: fingerprint(run.path / path) for path in ("export", "answers.jsonl")}
    inputs, outputs = {"export": known["export"]}, {"answers.jsonl": known["answers.jsonl"]}
    run.end_stage(StageResult("ask", Status.DONE, inputs=inputs, outputs=outputs), "key")
    answers = _own_answers(run, plan, asked)
    assert answers is not None
    assert answers[0].case == "checks[0]"
    assert _own_answers(run, plan, replace(asked, same=False)) is None
    (run.path / CONFIG).write_text("dtype: bfloat16\n", encoding="utf-8")
    assert _own_answers(run, plan, asked) is None
    (run.path / CONFIG).write_text(plan.stage("ask").files[1].text, encoding="utf-8")
    (run.path / "export/model.safetensors").write_bytes(b"weights of another")
    assert _own_answers(run, plan, asked) is None


@pytest.mark.parametrize(("answer", "bare"), [("好", True), ("<think>嗯</think>好", False)])
def test_thoughts_in_the_runs_own_rows_are_seen(run: Run, answer: str, *, bare: bool) -> None:
    (run.path / "data").mkdir()
    generated = {"dataset": "conch_generated", "messages": [{"role": "assistant", "content": "<think>"}]}
    mine = {"dataset": "mine", "messages": [{"role": "assistant", "content": answer}]}
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in (generated, mine))
    (run.path / "data/conversations.jsonl").write_text(text, encoding="utf-8")
    assert _bare(run) is bare
