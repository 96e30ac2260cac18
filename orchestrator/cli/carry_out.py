"""What `run` and `sft` share: a recipe becomes a plan, the plan is run, the report is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.cli.verb import Outcome


def carry_out(
    recipe: str, stages: Iterable[str], *, sets: Sequence[str], hardware: str, accept_mismatch: bool
) -> Outcome:
    """Run the named stages of a recipe; progress on stderr, the closing summary as the outcome."""
    from dataclasses import replace
    from pathlib import Path

    from orchestrator.cli.live import Live
    from orchestrator.cli.summary import summary
    from orchestrator.execute import recipes, survey
    from orchestrator.execute.reports import read_report
    from orchestrator.execute.run_plan import run_recipe
    from orchestrator.plan import build_plan

    project = recipes.project_folder(Path.cwd())
    job = survey.read_job(
        recipe, project=project, sets=sets, hardware=hardware, accept_mismatch=accept_mismatch
    )
    plan = build_plan(job, stages)
    live = Live()
    live.say(plan.headline)
    folder, runs = run_recipe(plan, job, project=project, progress=live)
    report = read_report(folder, recipe=job.recipe.name, headline=plan.headline, runs=runs)
    if "judge" not in stages:
        report = replace(report, verdicts=(), paraphrases=(), base_verdicts=())
    model = job.recipe.served_model
    shown = folder.relative_to(project) if project == Path.cwd() else folder
    text = summary(report, folder=shown, model=model, stand_in=job.stand_in)
    data = {"folder": str(folder), "stand_in": job.stand_in, **report.to_json()}
    return Outcome(data=data, text=text, exit_code=report.exit_code)
