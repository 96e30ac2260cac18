"""The stages as values, and what they share (base.py).

fetch, prepare, prove_data, ask_base, general_base, evaluate_base, train, curve, export, prove_export, score,
prove_served, ask, general, evaluate, judge, target, certify, report: what each renders for a recipe is in
tests/golden.
"""
# Covers plan/stages/

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from orchestrator.datasets.entry import DatasetEntry
from orchestrator.execute.runner.task import TASKS
from orchestrator.plan.plan import build_plan
from orchestrator.plan.stage import Plan, Runtime, Stage
from orchestrator.plan.stages import STAGES, base
from tests.plan.test_plan import job_of

JOB = job_of("magic_conch", "cpu", "evaluate.split=train", "target.metrics={rouge-l: 50}")
PLAN = build_plan(JOB)
EXPANDED = build_plan(job_of("magic_conch", "cpu", "train.method=freeze", "train.llama_pro=2"))
HUB = DatasetEntry("far", "alpaca", hub_id="a/b", hub_revision="v1", hub_file="x.jsonl", hub="modelscope")


def settings(stage: Stage) -> dict[str, Any]:
    """What the stage tells its task."""
    (file,) = [file for file in stage.files if file.path.startswith("tasks/")]
    found: dict[str, Any] = json.loads(file.text)
    return found


def under(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}/")


# The last is of single kinds: tests/plan/kinds/test_ppo.py.
@pytest.mark.parametrize("name", [name for name in STAGES if name != "rewards"])
def test_a_stage_bears_its_name_and_runs_something(name: str) -> None:
    plan = EXPANDED if name == "expand" else PLAN
    stage = plan.stage(name)
    assert stage.name == name
    assert stage.commands
    assert stage.outputs


@pytest.mark.parametrize("stage", PLAN.stages, ids=lambda stage: stage.name)
def test_every_input_is_an_output_of_an_earlier_stage(stage: Stage) -> None:
    earlier = PLAN.stages[: PLAN.stages.index(stage)]
    made = [output for one in earlier for output in one.outputs]
    made += [file.path for one in earlier for file in one.files]
    for path in stage.inputs:
        assert any(under(path, output) for output in made), path


def test_no_two_stages_make_the_same_thing() -> None:
    outputs = [output for stage in PLAN.stages for output in stage.outputs]
    assert len(outputs) == len(set(outputs))


@pytest.mark.parametrize("stage", PLAN.stages, ids=lambda stage: stage.name)
def test_outputs_are_written_under_their_partial_name(stage: Stage) -> None:
    rendered = " ".join([*(file.text for file in stage.files), *(str(one) for one in stage.commands)])
    for output in stage.outputs:
        assert f"{output}.partial-0" in rendered or stage.name in {"fetch", "prepare"}


@pytest.mark.parametrize("stage", PLAN.stages, ids=lambda stage: stage.name)
def test_a_task_is_on_the_board_and_its_settings_are_there(stage: Stage) -> None:
    rendered = {file.path for file in stage.files}
    for command in stage.commands:
        if command.runtime is Runtime.CONCH:
            assert command.argv[:3] == ("{conch}/bin/python", "-m", "orchestrator.execute.runner.task")
            assert command.argv[3] in TASKS
            assert command.argv[4] in rendered


def test_the_same_file_is_rendered_the_same_by_every_stage() -> None:
    texts: dict[str, str] = {}
    for file in (file for stage in PLAN.stages for file in stage.files):
        assert texts.setdefault(file.path, file.text) == file.text


def test_a_server_is_warmed_during_a_stage_before_the_one_that_needs_it() -> None:
    names = [stage.name for stage in PLAN.stages]
    for stage in PLAN.stages:
        if stage.service is not None and stage.service.warm_during in names:
            assert names.index(stage.service.warm_during) < names.index(stage.name)
            assert stage.service.name != stage.name


def test_the_gates_are_the_proofs() -> None:
    assert {stage.name for stage in PLAN.stages if stage.gate} == {"prove_data", "prove_export"}


def test_only_fetch_is_given_tokens_and_only_their_names_are_kept() -> None:
    told = {stage.name: one.secrets for stage in PLAN.stages for one in stage.commands if one.secrets}
    assert told == {"fetch": ("HF_TOKEN", "MODELSCOPE_API_TOKEN")}


def of(**changes: Any) -> Plan:
    return build_plan(replace(JOB, **changes))


def test_fetch_gets_what_lives_on_a_hub_and_prepare_reads_it_there() -> None:
    plan = of(datasets=(*JOB.datasets, HUB))
    assert settings(plan.stage("fetch"))["datasets"] == [
        {"name": "far", "repo": "a/b", "file": "x.jsonl", "revision": "v1", "hub": "modelscope"}
    ]
    of_split = replace(HUB, hub_file="", hub_split="test")
    (asked,) = settings(of(datasets=(of_split,)).stage("fetch"))["datasets"]
    assert (asked["file"], asked["split"]) == ("", "test")
    paths = {one["name"]: one["path"] for one in settings(plan.stage("prepare"))["datasets"]}
    assert paths["far"] == "inputs/data/far"
    assert paths["magic_conch"].startswith("{project}/dataset_info/")
    assert plan.stage("prepare").inputs == ("inputs",)
    assert PLAN.stage("prepare").inputs == ()  # nothing fetched is read: a changed base prepares nothing anew


def test_a_local_base_is_fetched_again_when_its_files_change() -> None:
    stage = of(base_folder="{project}/base", base_state="123").stage("fetch")
    assert settings(stage)["base"] == "{project}/base"
    assert settings(stage)["hub"] == "local"
    assert stage.depends == {"base": "123"}
    assert PLAN.stage("fetch").depends == {}


def test_a_corrected_tokenizer_is_asked_of_fetch_alone() -> None:
    model = JOB.recipe.model.model_copy(update={"tokenizer": "corrected"})
    changed = of(recipe=JOB.recipe.model_copy(update={"model": model}))
    assert settings(changed.stage("fetch")) == {**settings(PLAN.stage("fetch")), "tokenizer": "corrected"}
    assert [stage.name for stage in PLAN.stages if stage != changed.stage(stage.name)] == ["fetch"]


def test_prepare_depends_on_what_the_data_holds() -> None:
    changed = of(datasets=(replace(JOB.datasets[0], sha256="sha256:1"),))
    assert changed.stage("prepare") != PLAN.stage("prepare")
    assert changed.stage("prepare").depends == {"magic_conch": "sha256:1"}


def test_a_changed_check_changes_no_stage_before_the_questions() -> None:
    changed = of(cases=JOB.cases[:1])
    names = [stage.name for stage in PLAN.stages if stage != changed.stage(stage.name)]
    assert names == ["ask_base", "ask", "judge"]


def test_a_changed_template_is_proven_again_but_trains_nothing_again() -> None:
    changed = of(chat_template="another")
    names = {stage.name for stage in PLAN.stages if stage != changed.stage(stage.name)}
    assert {"prove_data", "prove_export", "ask"} <= names
    assert "train" not in names


def test_the_base_is_asked_what_a_case_expects_and_no_more() -> None:
    asked = settings(PLAN.stage("ask_base"))
    assert asked["cases"] == settings(PLAN.stage("ask"))["cases"]
    assert not {"every", "paraphrases"} & asked.keys()


def test_what_is_judged_was_asked() -> None:
    asked, judged = settings(PLAN.stage("ask")), settings(PLAN.stage("judge"))
    for key in ("cases", "paraphrases", "every"):
        assert judged.get(key) == asked.get(key)
    assert asked["out"] == f"{judged['answers']}.partial-0"
    assert judged["base_answers"] == base.BASE_ANSWERS
    general = (judged["general"]["tuned"], judged["general"]["base"])
    asked_of = (judged["answers"], judged["base_answers"], *general)
    assert PLAN.stage("judge").inputs == (*asked_of, judged["export"])


@dataclass(frozen=True)
class Readable:
    b: str
    a: int


def test_a_task_is_a_file_that_a_person_can_read() -> None:
    file, command = base.task("ask-base", Readable("海螺", 1), secrets=("HF_TOKEN",))
    assert file.path == "tasks/ask-base.json"
    assert file.text == '{\n  "a": 1,\n  "b": "海螺"\n}\n'
    assert command.argv[3:] == ("ask", "tasks/ask-base.json")
    assert "HF_TOKEN=***" in str(command)
