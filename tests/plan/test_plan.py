"""Plans: golden files for every recipe on both profiles, and every mistake of a name at once."""
# Covers plan/resolve.py plan/validation.py

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.execute.project import discovery, recipes
from orchestrator.hubs.recipe import REWARD_LINK, recipe_of
from orchestrator.plan.job import Context, Dependency, Job
from orchestrator.plan.plan import PARITY, RUN, TRAIN, build_plan
from orchestrator.plan.resolve import resolve
from orchestrator.plan.stage import Plan

PROJECT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parents[1] / "golden"


def job_of(recipe: str, profile: str, *sets: str, project: Path = PROJECT) -> Job:
    """A job of the shipped recipes in a world that is the same on every machine."""
    resolved = recipes.read(recipe, project=project, sets=sets, environ={}, profile=profile)
    datasets = discovery.read_datasets(PROJECT)
    context = Context(
        hardware=resolved.profile,
        templates=discovery.read_templates(PROJECT),
        datasets={name: replace(entry, sha256="sha256:0") for name, entry in datasets.items()},
        lockfiles={"train": "lock-of-train", "serve": "lock-of-serve"},
    )
    if below := recipe_of(resolved.recipe.model.base):
        context = replace(context, base_job=job_of(below, profile), base_state=f"export of {below}")
    if scorer := recipe_of(resolved.recipe.ppo.reward or ""):
        model = Dependency("ppo.reward", REWARD_LINK, job_of(scorer, profile), f"export of {scorer}")
        locks = {**context.lockfiles, "ppo": "lock-of-ppo"}
        context = replace(context, reward=model, lockfiles=locks)
    return resolve(resolved, context)


def shown(plan: Plan) -> str:
    return json.dumps(plan.to_json(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("profile", ["cpu", "cuda"])
@pytest.mark.parametrize("recipe", recipes.names(PROJECT))
def test_golden(recipe: str, profile: str, request: pytest.FixtureRequest) -> None:
    """Rendered files and commands change only on purpose: `pytest --golden` writes them anew."""
    path = GOLDEN / f"{recipe}-{profile}.json"
    made = shown(build_plan(job_of(recipe, profile)))
    if request.config.getoption("--golden"):
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")


def test_every_golden_has_its_recipe() -> None:
    wanted = {f"{name}-{profile}.json" for name in recipes.names(PROJECT) for profile in ("cpu", "cuda")}
    assert {path.name for path in GOLDEN.glob("*.json")} == wanted


def test_a_plan_holds_no_path_of_this_machine() -> None:
    for recipe in recipes.names(PROJECT):
        text = shown(build_plan(job_of(recipe, "cpu")))
        assert str(PROJECT) not in text
        assert str(Path.home()) not in text


def test_a_shorter_verb_runs_the_same_stages() -> None:
    job = job_of("magic_conch", "cpu")
    whole = {stage.name: stage for stage in build_plan(job, RUN).stages}
    for names in (TRAIN, PARITY):
        assert [stage.name for stage in build_plan(job, names).stages] == [n for n in names if n != "expand"]
        assert all(whole[stage.name] == stage for stage in build_plan(job, names).stages)


def test_the_base_is_asked_only_where_the_recipe_says_so() -> None:
    plan = build_plan(job_of("magic_conch", "cpu", "verify.base=false"))
    assert "ask_base" not in [stage.name for stage in plan.stages]
    judge: dict[str, Any] = json.loads(plan.stage("judge").files[0].text)
    assert "base_answers" not in judge


def test_the_stand_in_is_named_on_the_first_line() -> None:
    assert "stand-in" in build_plan(job_of("magic_conch", "cpu")).headline
    real = build_plan(job_of("magic_conch", "cuda")).headline
    assert "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B@ad9f0ae0864d" in real
    assert "stand-in" not in real


def test_every_wrong_name_is_told_at_once(tmp_path: Path) -> None:
    (folder := tmp_path / "recipes").mkdir()
    (folder / "mine.yaml").write_text(
        "model: {base: embedded}\n"
        "data:\n  dataset: magic_conc\n"
        "template:\n  name: llama9\n"
        "llamafactory:\n  output_dir: /tmp/x\n"
        "vllm:\n  --chat_template: x.jinja\n"
        "verify:\n  every: [stop]\n  checks:\n    - ask: 你是谁\n      expect: {contain: 海螺}\n",
        encoding="utf-8",
    )
    with pytest.raises(UsageError) as caught:
        job_of("mine", "cpu", project=tmp_path)
    said = {problem.where: problem.what for problem in caught.value.problems}
    assert said["recipes/mine.yaml:3:12"].startswith(
        'data.dataset: no dataset named "magic_conc"; did you mean'
    )
    assert 'no check named "contain"; did you mean "contains"?' in said["recipes/mine.yaml:14:16"], said
    assert any("llamafactory.output_dir: Conch sets this itself" in what for what in said.values())
    assert any("vllm.--chat_template: Conch sets this itself" in what for what in said.values())
    assert any(
        'verify.every: no check named "stop" that needs no argument; did you mean "stops"?' in what
        for what in said.values()
    )
    assert any("no chat template reproduces template llama9" in what for what in said.values())


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (("data.validation=nobody",), 'data.validation: no dataset named "nobody"'),
        (("data.split={train: 9, validation: 1}", "data.validation_share=0.1"), "set twice"),
        (("data.split={train: 9, test: 1}", "data.test=smoke"), "from a split of the training rows"),
        (("data.validation_share=0.1", "data.validation=smoke"), "from a split of the training rows"),
        (("data.test=magic_conch",), 'two datasets would be named "magic_conch"'),
        (("data.test=smoke", "data.validation=smoke"), 'two datasets would be named "smoke"'),
    ],
)
def test_parts_that_contradict_each_other_are_refused(sets: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        job_of("magic_conch", "cpu", *sets)
    assert said in str(caught.value)


def test_every_part_is_prepared_proven_and_where_it_belongs() -> None:
    sets = ("data.split={train: 8, validation: 2}", "data.test=smoke", "data.stratify=科室")
    plan = build_plan(job_of("magic_conch", "cpu", *sets))
    settings = json.loads(plan.stage("prepare").files[0].text)
    assert [(one["name"], one.get("part")) for one in settings["datasets"]] == [
        ("smoke", "test"),
        ("magic_conch", None),
    ]
    assert settings["split"] == {"weights": {"train": 8, "validation": 2}, "stratify": "科室"}
    probe = plan.stage("prove_data").commands[0].argv
    names = "smoke,magic_conch,magic_conch_validation,conch_generated,conch_held_out"
    assert probe[probe.index("--datasets") + 1] == names
    assert "data/magic_conch_validation.jsonl" in plan.stage("train").inputs
    assert "data/smoke.jsonl" not in plan.stage("train").inputs
    assert set(plan.stage("prepare").depends) == {"smoke", "magic_conch"}


def test_one_part_is_no_split() -> None:
    plan = build_plan(job_of("magic_conch", "cpu", "data.split={train: 1}"))
    assert "split" not in json.loads(plan.stage("prepare").files[0].text)


def test_repeats_change_the_tasks_that_ask_and_judge_and_nothing_else() -> None:
    once = build_plan(job_of("magic_conch", "cpu"))
    often = build_plan(
        job_of("magic_conch", "cpu", "verify.repeats=5", "verify.pass_rate=0.8", "verify.concurrency=2")
    )
    changed = [a.name for a, b in zip(once.stages, often.stages, strict=True) if a != b]
    assert changed == ["ask_base", "ask", "judge"]
    asked = json.loads(next(one.text for one in often.stage("ask").files if one.path == "tasks/ask.json"))
    assert (asked["repeats"], asked["concurrency"]) == (5, 2)
    judged = json.loads(often.stage("judge").files[0].text)
    assert (judged["repeats"], judged["pass_rate"]) == (5, 0.8)


FROM_TEST = "verify.checks=[{from: test, limit: 2, expect: {similar: {least: 0.5}, equals: reference}}]"


def test_cases_of_data_rows_need_the_data() -> None:
    plan = build_plan(job_of("magic_conch", "cpu", FROM_TEST, "data.split={train: 9, test: 1}"))
    told = json.loads(plan.stage("judge").files[0].text)["cases"]
    assert told == [
        {
            "id": "checks[0]",
            "expect": {"similar": {"least": 0.5}, "equals": "reference"},
            "part": "test",
            "limit": 2,
            "datasets": ["magic_conch_test"],
        }
    ]
    assert all("data" in plan.stage(name).inputs for name in ("ask_base", "ask", "judge"))
    plain = build_plan(job_of("magic_conch", "cpu"))
    assert not any("data" in plain.stage(name).inputs for name in ("ask_base", "ask", "judge"))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("{from: test, expect: {equals: reference}}", "verify.checks[0].from: this recipe has no test rows"),
        ("{from: train, expect: {similar: {most: 1}}}", "verify.checks[0].expect.similar: must be a mapping"),
        ("{from: tests}", "verify.checks[0].from: must be test, validation or train"),
        ("{from: train, ask: 谁}", "must be a case with either ask or from"),
        ("{ask: 谁, limit: 3}", "must be a case with from if it has a limit"),
        ("{ask: 谁, expect: {similar: {least: 0.5}}}", "verify.checks[0].expect.similar: must be a mapping"),
    ],
)
def test_cases_of_data_rows_that_cannot_be(case: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        job_of("magic_conch", "cpu", f"verify.checks=[{case}]")
    assert said in str(caught.value)


WEATHER = "{type: function, function: {name: get_weather}}"


def test_tools_go_into_the_tasks_and_a_call_of_none_of_them_is_refused() -> None:
    case = f"ask: 天气？, tools: [{WEATHER}], expect: {{tool_call: {{name: get_weather}}}}"
    plan = build_plan(job_of("magic_conch", "cpu", f"verify.checks=[{{{case}}}]"))
    [told] = json.loads(plan.stage("judge").files[0].text)["cases"]
    assert told["tools"] == [{"type": "function", "function": {"name": "get_weather"}}]
    for wrong in (
        case.replace("tool_call: {name: get_weather}", "tool_call: {name: get_news}"),
        case.replace(f"tools: [{WEATHER}], ", ""),
    ):
        with pytest.raises(UsageError, match="tool_call: no tool of the case is named"):
            job_of("magic_conch", "cpu", f"verify.checks=[{{{wrong}}}]")
