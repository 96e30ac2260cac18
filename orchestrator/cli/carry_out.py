"""What `run` and `sft` share: turn a recipe into a plan, run the plan, and sum up the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, RunOptions, current_project

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.plan.job import Job
    from orchestrator.results import Report


def carry_out(options: RunOptions, stages: Iterable[str]) -> Outcome:
    """Run the named stages of a recipe, with progress on stderr.

    Returns:
        the closing summary; of a detached run, the outcome of its start.
    """
    from dataclasses import replace

    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.execute.project import discovery
    from orchestrator.execute.run_store.load_report import read_report
    from orchestrator.execute.runner.run_plan import run_recipe
    from orchestrator.plan.plan import build_plan

    project = current_project()
    job = discovery.read_job(
        options.recipe,
        project=project,
        sets=options.sets,
        hardware=options.hardware,
        accept_mismatch=options.accept_mismatch,
    )
    plan = build_plan(job, stages)
    if options.detach:
        return start_detached(options.request("run", stages=list(stages)))
    progress = TerminalProgress()
    progress.say(plan.headline)
    folder, runs = run_recipe(plan, job, project=project, progress=progress)
    report = read_report(folder, recipe=job.recipe.name, headline=plan.headline, runs=runs)
    if "judge" not in stages:
        report = replace(report, verdicts=(), paraphrases=(), base_verdicts=())
    return outcome_of(report, job, folder, project=project)


def outcome_of(report: Report, job: Job, folder: Path, *, project: Path) -> Outcome:
    """A run's closing summary, its data and its exit code."""
    from pathlib import Path

    from orchestrator.cli.text.summary import summary

    model = job.recipe.served_model
    shown = folder.relative_to(project) if project == Path.cwd() else folder
    text = summary(report, folder=shown, model=model, stand_in=job.stand_in, scores=job.kind.scores)
    data = {"folder": str(folder), "stand_in": job.stand_in, **report.to_json()}
    return Outcome(data=data, text=text, exit_code=report.exit_code)


def start_detached(request: Mapping[str, object]) -> Outcome:
    """Start a background process for a request, and list the commands that follow and stop it."""
    from orchestrator.execute.processes.spawn_daemon import detach

    started = detach(request, project=current_project())
    message = started.message
    run = message["run"]
    what = f"serving {message['model']} at {message['url']}" if "url" in message else "running"
    lines = [
        f"{run}: {what}, in the background",
        runnable(f"  conch logs -f {run}    follow its output"),
        runnable("  conch status    show what is running"),
        runnable(f"  conch stop {run}    stop it"),
    ]
    return Outcome({**message, "pid": started.pid, "unit": started.unit}, "\n".join(lines))
