"""What `conch run --until target` says when it ends: the trials as table and plot, the best, what to keep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestrator.cli.verb import Outcome, RunOptions, current_project
from orchestrator.outside import one_line, visible

if TYPE_CHECKING:
    from orchestrator.evaluation.trials import Trial
    from orchestrator.execute.runner.sweep import SweepResult

BAR = 20
WIDE = 60


def run_until(options: RunOptions) -> Outcome:
    """Try settings until the recipe's target is met; the best trial's run is summed up as any run is."""
    from orchestrator.cli.carry_out import outcome_of, start_detached
    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.execute.runner.sweep import run_until_target
    from orchestrator.execute.runner.trial import SweepRequest
    from orchestrator.results import json_of

    if options.detach:
        return start_detached(options.request("until"))
    project, sets = current_project(), tuple(options.sets)
    request = SweepRequest(options.recipe, project, sets, options.hardware, options.accept_mismatch)
    found = run_until_target(request, progress=TerminalProgress())
    outcome = outcome_of(found.report, found.job, found.folder, project=project)
    text = "\n\n".join([outcome.text, "\n".join(trials_text(found))])
    trials = {"trials": [json_of(trial) for trial in found.trials], "ended": found.ended}
    best = found.best.number if found.best else None
    return Outcome({**outcome.data, **trials, "best": best}, text, outcome.exit_code)


def trials_text(found: SweepResult) -> Iterable[str]:
    """The trials, each with its score as a bar, and what to write into the recipe."""
    from orchestrator.evaluation.trials import written

    yield "trials"
    for trial in found.trials:
        yield _line(trial)
        if trial.sentence:
            yield f"        {visible(one_line(trial.sentence, 100))}"
    best = found.best
    if best is None:
        return
    yield ""
    yield (
        f"Trial {best.number} met the target."
        if best.status == "met"
        else f"No trial met the target ({found.ended}); trial {best.number} came nearest."
    )
    if best.settings:
        yield f"To keep it, write into recipes/{found.job.recipe.name}.yaml:"
        yield from (f"  {words}" for words in written(best.settings, ": "))
    if best.status != "met" and found.report.curve and found.report.curve["advice"]:
        yield f"Its curve advises {found.report.curve['advice']}: {found.report.curve['sentence']}."


def _line(trial: Trial) -> str:
    from orchestrator.evaluation.trials import written

    filled = round(BAR * (trial.score or 0.0))
    bar = "█" * filled + "·" * (BAR - filled)
    score = "  –  " if trial.score is None else f"{trial.score:.3f}"
    tried = one_line(" ".join(written(trial.settings)), WIDE)
    return f"  {trial.number:>3} {bar} {score} {trial.status:<7} {trial.minutes:5.1f} min  {tried}"
