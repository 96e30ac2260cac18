"""What `run` and `sft` share: a recipe becomes a plan, the plan is run, the report is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.cli.verb import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.plan.job import Job
    from orchestrator.results import Report


def carry_out(
    recipe: str,
    stages: Iterable[str],
    *,
    sets: Sequence[str],
    hardware: str,
    accept_mismatch: bool,
    detach: bool = False,
) -> Outcome:
    """Run the named stages of a recipe; progress on stderr, the closing summary as the outcome.

    Detached, the outcome is that of the start.
    """
    from dataclasses import replace
    from pathlib import Path

    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.execute.project import discovery, recipes
    from orchestrator.execute.run_store.load_report import read_report
    from orchestrator.execute.runner.run_plan import run_recipe
    from orchestrator.plan.plan import build_plan

    project = recipes.project_folder(Path.cwd())
    job = discovery.read_job(
        recipe, project=project, sets=sets, hardware=hardware, accept_mismatch=accept_mismatch
    )
    plan = build_plan(job, stages)
    if detach:
        request = {"recipe": recipe, "sets": list(sets), "hardware": hardware}
        return started({"verb": "run", "stages": list(stages), "accept_mismatch": accept_mismatch, **request})
    live = TerminalProgress()
    live.say(plan.headline)
    folder, runs = run_recipe(plan, job, project=project, progress=live)
    report = read_report(folder, recipe=job.recipe.name, headline=plan.headline, runs=runs)
    if "judge" not in stages:
        report = replace(report, verdicts=(), paraphrases=(), base_verdicts=())
    return told_of(report, job, folder, project=project)


def told_of(report: Report, job: Job, folder: Path, *, project: Path) -> Outcome:
    """A run's closing summary, its data and its exit code."""
    from pathlib import Path

    from orchestrator.cli.text.summary import summary

    model = job.recipe.served_model
    shown = folder.relative_to(project) if project == Path.cwd() else folder
    text = summary(report, folder=shown, model=model, stand_in=job.stand_in)
    data = {"folder": str(folder), "stand_in": job.stand_in, **report.to_json()}
    return Outcome(data=data, text=text, exit_code=report.exit_code)


def started(request: Mapping[str, Any]) -> Outcome:
    """Start a supervisor for a request; what came of the start, and how to see more of it."""
    from pathlib import Path

    from orchestrator.execute.processes.spawn_daemon import detach
    from orchestrator.execute.project import recipes

    begun = detach(request, project=recipes.project_folder(Path.cwd()))
    told = begun.told
    what = f"serving at {told['url']} as {told['model']}" if "url" in told else "working"
    lines = [
        f"{told['run']}: {what}, in the background",
        f"  conch logs -f {told['run']}    follow it",
        "  conch status    what runs",
        f"  conch stop {told['run']}    end it",
    ]
    data = {**told, "pid": begun.pid, "unit": begun.unit}
    return Outcome(data, "\n".join(lines))
