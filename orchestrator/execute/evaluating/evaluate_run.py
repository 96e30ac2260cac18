"""`conch eval`: scores the models of a finished run on a split of its data.

The plan is the run's own (plan.json), so later edits of the recipe change nothing. tuned is the export; base
is the untrained base; a checkpoint is its adapter on the base, not merged, and all checkpoints share one
server. Scores that exist for these files and settings are reused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from orchestrator.backends.engines import engine_behind
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.evaluation.numbers import Numbers
from orchestrator.execute.evaluating.evaluate import evaluate, read_numbers
from orchestrator.execute.host.atomic_files import read_json
from orchestrator.execute.inference.ask import ask
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import (
    Server,
    against_server,
    answering_plan,
    finished_run,
    reopened,
)
from orchestrator.execute.runner.lora_adapters import adapter_of, rank_of
from orchestrator.execute.runner.task import typed
from orchestrator.plan.stage import Plan, Service, Stage
from orchestrator.plan.stages.questions import BASE, TUNED, AskSettings, EvaluateSettings, Evaluation
from orchestrator.recipe import Evaluate

SPLITS = ("test", "validation", "train")


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """The options of an evaluation; None or empty for the values of the run's recipe.

    Attributes:
        split: test, validation or train. systems: base, tuned, checkpoint-N, checkpoint-last.
        limit: the largest number of samples. max_tokens: of an answer.
        server: a running server of the tuned model; else Conch starts one.
    """

    split: str = ""
    systems: tuple[str, ...] = ()
    limit: int | None = None
    max_tokens: int | None = None
    server: Server | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The run, the split, and each system's eval.json with its folder."""

    run: Run
    split: str
    numbers: Mapping[str, Numbers]
    folders: Mapping[str, Path]


def evaluate_run(recipe: str, options: EvaluateOptions, *, project: Path, progress: Progress) -> Evaluated:
    """Score every system in turn.

    Args:
        recipe: a name, or RECIPE/ID.
        options: what to ask which models.
        project: the folder that contains runs/.
        progress: receives progress.

    Raises:
        MissingError: there is no finished export, checkpoint or split, or an environment is missing.
        UsageError: a system is unknown.
        BusyError: another process works on this recipe.
        ConchError: the server failed.
    """
    run = finished_run(project, recipe)
    plan = answering_plan(run)
    wanted = evaluation_of(run, plan, options)
    systems = options.systems or (TUNED,)
    stages = stages_of(run, plan, wanted, systems, options.server)
    saying = f"scoring {', '.join(systems)} of run {run.name} on its {wanted.split} rows"
    with reopened(run, plan, progress, saying) as perform:
        perform(stages, again=options.server is not None)
    names = [stage.name.partition("-")[2] for stage in stages]
    folders = {name: run.path / wanted.output(name) for name in names}
    return Evaluated(
        run,
        wanted.split,
        {name: found for name, path in folders.items() if (found := read_numbers(path))},
        folders,
    )


def evaluation_of(run: Run, plan: Plan, options: EvaluateOptions) -> Evaluation:
    """The options, completed by the plan's own evaluation, or by the recipe's defaults.

    The default split is the plan's, else the first one that has rows.

    Raises:
        MissingError: the run's data has no such split, or no rows at all. StageFailed: an incompatible plan.
    """
    parts = _parts(run)
    tasks = {file.path: file.text for stage in plan.stages for file in stage.files}
    planned: EvaluateSettings | None = None
    if text := tasks.get("tasks/evaluate-tuned.json"):
        planned = typed(evaluate, json.loads(text))
    split = options.split or (planned.split if planned else "")
    split = split or next((name for name in SPLITS if parts.get(name)), "")
    if not parts.get(split):
        available = ", ".join(name for name in SPLITS if parts.get(name)) or "none"
        hint = "set data.split in the recipe, e.g. {train: 8, test: 2}, and run it again"
        if available != "none":
            hint = f"conch eval {run.recipe} --split {available.split(',')[0]}; or {hint}"
        what = f"run {run.name} has no {split} rows (available: {available})"
        raise MissingError(Problem(what, hint=hint))
    defaults = planned or Evaluate()
    asked: AskSettings = typed(ask, json.loads(tasks["tasks/ask.json"]))
    return Evaluation(
        split=split,
        datasets=parts[split],
        limit=options.limit or defaults.limit,
        max_tokens=options.max_tokens or (planned or asked).max_tokens,
        temperature=defaults.temperature,
        concurrency=defaults.concurrency,
        thinking=planned.thinking if planned else _thinking(tasks["train.yaml"]),
    )


def stages_of(
    run: Run, plan: Plan, wanted: Evaluation, systems: Sequence[str], server: Server | None
) -> list[Stage]:
    """A stage for each system; systems that share a server are next to each other.

    Raises:
        UsageError: a system is unknown. MissingError: there is no such checkpoint.
    """
    service = plan.stage("ask").service
    assert service is not None  # noqa: S101  ask is the stage that talks to a server
    engine = engine_behind(service)
    rendered = plan.stage("ask").rendered
    adapters = {name: adapter_of(run, name.partition("-")[2]) for name in systems if _is_checkpoint(name)}
    for name in systems:
        if name not in (BASE, TUNED) and name not in adapters:
            what = f'no system named "{name}"'
            raise UsageError(Problem(what, "--systems", "use base, tuned, checkpoint-N or checkpoint-last"))
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
    """Split → its prepared datasets that have rows."""
    prepared = read_json(run.path / "data/prepare.json") or {}
    parts: dict[str, tuple[str, ...]] = {}
    for dataset in prepared.get("datasets", ()):
        if dataset.get("rows"):
            part = dataset.get("part", "train")
            parts[part] = (*parts.get(part, ()), dataset["name"])
    return parts


def _thinking(train_yaml: str) -> bool | None:
    """LLaMA-Factory's enable_thinking, of a plan without an evaluation."""
    thinking = yaml.safe_load(train_yaml).get("enable_thinking")
    return None if thinking is None else bool(thinking)
