"""`conch compare`: two models on the same questions, decoded and served in the same way.

Compares base and tuned model of a run, or the exports of two runs, on the rows of a split and on questions of
general knowledge, greedily; the results of the recipe's own checks are read from the runs. Answers that exist
for these files are reused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from orchestrator.evaluation.comparison import Compared, compared, pairs_of
from orchestrator.execute.evaluating.evaluate import read_predictions
from orchestrator.execute.evaluating.evaluate_run import EvaluateOptions, evaluation_of, stages_of
from orchestrator.execute.evaluating.judge import judge_general
from orchestrator.execute.evaluating.judge_comparison import judge_comparison, judge_of
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import answering_plan, finished_run, reopened
from orchestrator.plan.stages.questions import BASE, TUNED, answers_of, general_beside
from orchestrator.results import Verdict

COMPARED = "compare/compare.json"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models: its run, name, split, folder of answers, and the verdicts of its checks."""

    run: Run
    system: str
    split: str
    answers: Path
    checks: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The run of compare.json, its split, and its content."""

    run: Run
    split: str
    result: Compared


def compare_models(
    a: str, b: str, options: EvaluateOptions, *, project: Path, progress: Progress
) -> Comparison:
    """Ask what has not been asked yet, and compare.

    Args:
        a: RECIPE or RECIPE/ID of the other run, "" for the base of b.
        b: RECIPE or RECIPE/ID.
        options: the split and the number of rows.
        project: the folder that contains runs/.
        progress: receives progress.

    Raises:
        MissingError: there is no finished export or no such split, or an environment is missing.
        BusyError: another process works on a recipe.
        ConchError: the server failed.
    """
    second = finished_run(project, b)
    judge = judge_of(second)
    if a:
        first = finished_run(project, a)
        sides = [_ask(first, (TUNED,), options, progress)[0], _ask(second, (TUNED,), options, progress)[0]]
        names = (first.name, second.name)
    else:
        sides, names = _ask(second, (BASE, TUNED), options, progress), (BASE, TUNED)
    pairs = pairs_of(*(read_predictions(side.answers) for side in sides))
    judged = {
        "checks": (list(sides[0].checks), list(sides[1].checks)),
        "general": (_general(sides[0]), _general(sides[1])),
    }
    result = compared(*names, pairs, judged)
    _write(second, result)
    if judge:
        result["judge"] = judge_comparison(second, result, judge, progress)
        _write(second, result)
    return Comparison(second, sides[1].split, result)


def _write(run: Run, result: Compared) -> None:
    (run.path / COMPARED).parent.mkdir(exist_ok=True)
    write_durable(run.path / COMPARED, json.dumps(result, ensure_ascii=False, indent=1) + "\n")


def _ask(run: Run, systems: tuple[str, ...], options: EvaluateOptions, progress: Progress) -> list[Side]:
    """Ask a run's models both kinds of questions; each server answers both."""
    plan = answering_plan(run)
    wanted = evaluation_of(run, plan, options)
    stages = []
    for stage in stages_of(run, plan, wanted, systems, None):
        stages += [stage, general_beside(stage)]
    with reopened(run, plan, progress, f"asking {' and '.join(systems)} of run {run.name}") as perform:
        perform(stages)
    report = read_report(run.path, recipe=run.recipe)
    checks = {BASE: tuple(report.base_verdicts), TUNED: tuple(report.verdicts)}
    if BASE in systems:  # the base has only the checks that its cases name
        named = {(verdict.case, verdict.check) for verdict in report.base_verdicts}
        checks[TUNED] = tuple(one for one in report.verdicts if (one.case, one.check) in named)
    return [Side(run, name, wanted.split, run.path / wanted.output(name), checks[name]) for name in systems]


def _general(side: Side) -> list[Verdict]:
    return judge_general(side.run.path / answers_of(side.system))
