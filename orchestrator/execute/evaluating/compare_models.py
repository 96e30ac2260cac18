"""`conch compare`: two models on the same questions, decoded and served in the same way.

base against tuned of one run, or the exports of two. Asked are a split's rows (execute/evaluate.py) and
questions of general knowledge (evaluation/general.py), greedily; the recipe's own checks are read from what
the runs asked already. What was asked before, of these very files, is not asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.evaluation.comparison import compared, pairs_of
from orchestrator.execute.evaluating.evaluate import read_predictions
from orchestrator.execute.evaluating.evaluate_run import EvaluateOptions, evaluation_of, stages_of
from orchestrator.execute.evaluating.judge import judge_general
from orchestrator.execute.evaluating.judge_comparison import judge_comparison, judge_of
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import finished_run, read_plan, reopened
from orchestrator.plan.stages.questions import BASE, TUNED, answers_of, general_beside
from orchestrator.results import Verdict

COMPARED = "compare/compare.json"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: a run, which of its models, the split and the predictions, and its judged checks."""

    run: Run
    system: str
    split: str
    answers: Path
    checks: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The run that compare.json lies in, its split, and what it holds."""

    run: Run
    split: str
    told: Mapping[str, Any]


def compare_models(a: str, b: str, wish: EvaluateOptions, *, project: Path, progress: Progress) -> Comparison:
    """Ask what was not asked yet, and fold.

    Args:
        a: RECIPE or RECIPE/ID of the other run, "" for the base of b.
        b: RECIPE or RECIPE/ID.
        wish: the split and how much of it.
        project: the folder that holds runs/.
        progress: is told what happens.

    Raises:
        MissingError: there is no finished export or no such split, or an environment is missing.
        BusyError: another process works on a recipe.
        ConchError: the server failed.
    """
    second = finished_run(project, b)
    if a:
        first = finished_run(project, a)
        sides = [_asked(first, (TUNED,), wish, progress)[0], _asked(second, (TUNED,), wish, progress)[0]]
        names = (first.name, second.name)
    else:
        sides, names = _asked(second, (BASE, TUNED), wish, progress), (BASE, TUNED)
    pairs = pairs_of(*(read_predictions(side.answers) for side in sides))
    judged = {
        "checks": (list(sides[0].checks), list(sides[1].checks)),
        "general": (_general(sides[0]), _general(sides[1])),
    }
    told = compared(*names, pairs, judged)
    _write(second, told)
    if judge := judge_of(second):
        told["judge"] = judge_comparison(second, told, judge, progress)
        _write(second, told)
    return Comparison(second, sides[1].split, told)


def _write(run: Run, told: Mapping[str, Any]) -> None:
    (run.path / COMPARED).parent.mkdir(exist_ok=True)
    write_durable(run.path / COMPARED, json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def _asked(run: Run, systems: tuple[str, ...], wish: EvaluateOptions, progress: Progress) -> list[Side]:
    """Both kinds of questions put to each of a run's models; a server answers both before it ends."""
    plan = read_plan(run)
    wanted = evaluation_of(run, plan, wish)
    stages = []
    for stage in stages_of(run, plan, wanted, systems, None):
        stages += [stage, general_beside(stage)]
    with reopened(run, plan, progress, f"asking {' and '.join(systems)} of run {run.name}") as perform:
        perform(stages)
    report = read_report(run.path, recipe=run.recipe)
    checks = {BASE: tuple(report.base_verdicts), TUNED: tuple(report.verdicts)}
    if BASE in systems:  # the base is judged by what a case expects alone
        named = {(verdict.case, verdict.check) for verdict in report.base_verdicts}
        checks[TUNED] = tuple(one for one in report.verdicts if (one.case, one.check) in named)
    return [Side(run, name, wanted.split, run.path / wanted.output(name), checks[name]) for name in systems]


def _general(side: Side) -> list[Verdict]:
    return judge_general(side.run.path / answers_of(side.system))
