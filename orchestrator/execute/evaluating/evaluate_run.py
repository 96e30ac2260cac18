"""`conch eval`: a finished run's models scored on a split of its data.

The plan is the run's own (plan.json), so that a recipe edited since changes nothing. tuned is the export, as
it will be served; base is the untouched base; checkpoints are their adapters on the base, not merged, from
one server. What was scored before, of these very files and in this way, is not asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from orchestrator.backends.engines import engine_behind
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.evaluating.evaluate import NUMBERS
from orchestrator.execute.host.atomic_files import read_json
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import Server, against_server, finished_run, read_plan, reopened
from orchestrator.execute.runner.lora_adapters import adapter_of, rank_of
from orchestrator.plan.stage import Plan, Service, Stage
from orchestrator.plan.stages.questions import BASE, TUNED, Evaluation
from orchestrator.recipe import Evaluate

SPLITS = ("test", "validation", "train")


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What a person asks for; what is None or empty is as the run's recipe has it.

    Attributes:
        split: test, validation or train. systems: base, tuned, checkpoint-N, checkpoint-last.
        limit: most samples. max_tokens: of an answer.
        server: asked in place of a server of our own, as the tuned model.
    """

    split: str = ""
    systems: tuple[str, ...] = ()
    limit: int | None = None
    max_tokens: int | None = None
    server: Server | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The run, the split, and each system's eval.json with the folder that it lies in."""

    run: Run
    split: str
    numbers: Mapping[str, Mapping[str, Any]]
    folders: Mapping[str, Path]


def evaluate_run(recipe: str, wish: EvaluateOptions, *, project: Path, progress: Progress) -> Evaluated:
    """Score every system in turn.

    Args:
        recipe: a name, or RECIPE/ID.
        wish: what is asked of which models.
        project: the folder that holds runs/.
        progress: is told what happens.

    Raises:
        MissingError: there is no finished export, checkpoint or split, or an environment is missing.
        UsageError: a system has no such name.
        BusyError: another process works on this recipe.
        ConchError: the server failed.
    """
    run = finished_run(project, recipe)
    plan = read_plan(run)
    wanted = evaluation_of(run, plan, wish)
    systems = wish.systems or (TUNED,)
    stages = stages_of(run, plan, wanted, systems, wish.server)
    saying = f"scoring {', '.join(systems)} of run {run.name} on its {wanted.split} rows"
    with reopened(run, plan, progress, saying) as perform:
        perform(stages, again=wish.server is not None)
    names = [stage.name.partition("-")[2] for stage in stages]
    folders = {name: run.path / wanted.output(name) for name in names}
    return Evaluated(
        run,
        wanted.split,
        {name: read_json(path / NUMBERS) or {} for name, path in folders.items()},
        folders,
    )


def evaluation_of(run: Run, plan: Plan, wish: EvaluateOptions) -> Evaluation:
    """What is asked: the wish, else the plan's own evaluation, else the first split that has rows.

    Raises:
        MissingError: the run's data holds no such split, or none at all.
    """
    parts = _parts(run)
    told = _planned(plan)
    split = wish.split or told.get("split") or next((name for name in SPLITS if parts.get(name)), "")
    if not parts.get(split):
        there = ", ".join(name for name in SPLITS if parts.get(name)) or "none"
        hint = "set data.split in the recipe, e.g. {train: 8, test: 2}, and run it again"
        if there != "none":
            hint = f"conch eval {run.recipe} --split {there.split(',')[0]}; or {hint}"
        raise MissingError(Problem(f"run {run.name} has no {split} rows (there are: {there})", hint=hint))
    return Evaluation(
        split=split,
        datasets=parts[split],
        limit=wish.limit or told["limit"],
        max_tokens=wish.max_tokens or told["max_tokens"],
        temperature=told["temperature"],
        concurrency=told["concurrency"],
        thinking=_thinking(plan),
    )


def stages_of(
    run: Run, plan: Plan, wanted: Evaluation, systems: Sequence[str], server: Server | None
) -> list[Stage]:
    """A stage for each system; those that share a server stand beside each other.

    Raises:
        UsageError: a system has no such name. MissingError: no such checkpoint is there.
    """
    service = plan.stage("ask").service
    assert service is not None  # noqa: S101  ask is the stage that talks to a server
    engine = engine_behind(service)
    rendered = plan.stage("ask").rendered
    adapters = {name: adapter_of(run, name.partition("-")[2]) for name in systems if _is_checkpoint(name)}
    for name in systems:
        if name not in (BASE, TUNED) and name not in adapters:
            what = f'no system named "{name}"'
            raise UsageError(
                Problem(what, "--systems", "there are base, tuned, checkpoint-N, checkpoint-last")
            )
    stages = []

    def add(
        system: str, inputs: tuple[str, ...], server_of_it: Service | None, *, unmerged: bool = False
    ) -> None:
        model = system if unmerged else ""
        name = f"eval-{system}"
        stages.append(
            wanted.stage(name, system, files=rendered, inputs=inputs, service=server_of_it, model=model)
        )

    if server is not None:
        add(TUNED, ("export",), None)
        stages[-1] = replace(stages[-1], commands=against_server(stages[-1].commands, server, service.model))
    elif TUNED in systems:
        add(TUNED, ("export",), engine.of_folder(service, "export", name="eval-server"))
    if adapters:
        if engine.limitations.adapters:
            raise MissingError(Problem(engine.limitations.adapters, hint="--systems base,tuned"))
        shared = engine.with_adapters(
            service,
            {adapter.name: adapter.path for adapter in adapters.values()},
            max(rank_of(run, adapter) for adapter in adapters.values()),
            name="eval-server-lora",
        )
        for adapter in adapters.values():
            add(adapter.name, ("inputs", adapter.path), shared, unmerged=True)
    if BASE in systems:
        add(BASE, ("inputs",), engine.of_folder(service, "inputs/base", name="eval-server-base"))
    return stages


def _is_checkpoint(name: str) -> bool:
    kind, _, number = name.partition("-")
    return kind == "checkpoint" and (number == "last" or number.isdigit())


def _parts(run: Run) -> dict[str, tuple[str, ...]]:
    """Split → its prepared data sets that hold rows."""
    told = read_json(run.path / "data/prepare.json") or {}
    parts: dict[str, tuple[str, ...]] = {}
    for dataset in told.get("datasets", ()):
        if dataset.get("rows"):
            part = dataset.get("part", "train")
            parts[part] = (*parts.get(part, ()), dataset["name"])
    return parts


def _planned(plan: Plan) -> dict[str, Any]:
    """The settings of the plan's own evaluation; a recipe's defaults where it has none."""
    tasks = {file.path: file.text for stage in plan.stages for file in stage.files}
    if "tasks/evaluate-tuned.json" in tasks:
        told: dict[str, Any] = json.loads(tasks["tasks/evaluate-tuned.json"])
        return told
    longest = json.loads(tasks["tasks/ask.json"])["max_tokens"]
    return {**Evaluate().model_dump(), "split": "", "max_tokens": longest}


def _thinking(plan: Plan) -> bool | None:
    files = {file.path: file.text for stage in plan.stages for file in stage.files}
    settings = yaml.safe_load(files["train.yaml"])
    thinking = settings.get("enable_thinking")
    return None if thinking is None else bool(thinking)
