"""`conch plan`: print everything that a run would do, without doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, current_project, hardware_option, recipe_argument, set_option, verb

if TYPE_CHECKING:
    from orchestrator.plan.stage import Plan


@verb(example="conch plan magic_conch --set train.epochs=3\nconch plan ./mine.yaml --hardware cuda --json")
@recipe_argument
@set_option
@hardware_option
def command(recipe: str, sets: Sequence[str], hardware: str) -> Outcome:
    """Print the resolved recipe, every file and every command; run nothing.

    RECIPE is a name in recipes/ or a path.
    """
    import gc

    # The process is short-lived: garbage collection would take a tenth of it (benchmarks/cold_start.py).
    gc.disable()
    from orchestrator.execute.project import discovery
    from orchestrator.plan.plan import build_plan

    project = current_project()
    job = discovery.read_job(recipe, project=project, sets=sets, hardware=hardware)
    plan = build_plan(job)
    resolved = job.recipe.model_dump(mode="json")
    data = {
        "recipe": resolved,
        "built_on": [*reversed(job.first)],
        "hardware": job.hardware,
        "stand_in": job.stand_in,
        "plan": plan.to_json(),
    }
    return Outcome(data=data, text=_text(resolved, plan, job.first))


def _text(resolved: Mapping[str, object], plan: Plan, first: Sequence[str]) -> str:
    from orchestrator.backends.base import yaml_text

    parts = [
        plan.headline,
        *(f"first   recipe {name}, up to its export: {runnable(f'conch plan {name}')}" for name in first),
        "",
        "# resolved recipe",
        yaml_text(resolved),
    ]
    shown: dict[str, str] = {}
    for number, stage in enumerate(plan.stages, start=1):
        parts.append(f"## {number}. {stage.name}")
        parts += [f"needs   {path}" for path in stage.inputs]
        for file in stage.files:
            if shown.get(file.path) == file.text:
                parts.append(f"file    {file.path} (as above)")
                continue
            shown[file.path] = file.text
            parts.append(f"file    {file.path}")
            parts += [f"        | {line}" for line in file.text.splitlines()]
        if stage.service is not None:
            parts.append(f"server  {stage.service.command}")
        parts += [f"run     {one}" for one in stage.commands]
        parts += [f"makes   {path}" for path in stage.outputs]
        parts.append("")
    return "\n".join(parts).rstrip()
