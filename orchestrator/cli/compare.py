"""`conch compare`: what training changed, what differs between two runs, or which base suits the data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import Outcome, hardware_option, limit_option, split_option, verb
from orchestrator.hubs import DEFAULT, REMOTE

if TYPE_CHECKING:
    from orchestrator.errors import Problem
    from orchestrator.evaluation.comparison import Compared, Difference, Passed
    from orchestrator.execute.evaluating.compare_bases import BasesOptions
    from orchestrator.execute.evaluating.compare_models import Comparison

_SHOWN = 12
_ANSWER = 120


@verb(
    example="conch compare magic_conch\n"
    "conch compare magic_conch/20260101-120000-ab12 magic_conch\n"
    "conch compare --bases embedded,./models/mine --data magic_conch"
)
@click.argument("runs", nargs=-1, metavar="RECIPE | RUN_A RUN_B")
@split_option
@limit_option
@click.option(
    "--bases",
    default="",
    metavar="A,B",
    help="Base models instead of runs: hub ids, folders (./…, /…) or embedded; needs --data.",
)
@click.option(
    "--data", default="", metavar="NAME|FILE", help="With --bases: the dataset or file whose rows are asked."
)
@click.option(
    "--template",
    default="",
    metavar="NAME",
    help="With --bases: LLaMA-Factory's template if Conch cannot tell it; one for all, or one for each.",
)
@click.option(
    "--hub",
    type=click.Choice([*REMOTE]),
    default=DEFAULT,
    show_default=True,
    help="With --bases: the hub to download from.",
)
@hardware_option
def command(
    *,
    runs: tuple[str, ...],
    split: str | None,
    limit: int | None,
    bases: str,
    data: str,
    template: str,
    hub: str,
    hardware: str,
) -> Outcome:
    """Compare base and tuned models, two runs, or several bases, on the same questions.

    With one RECIPE (or RECIPE/ID), compares its base model with the tuned one; with two, the exports of both
    runs. Shows metric differences with intervals, passed checks, general knowledge, what got worse, and the
    answers side by side, and writes them to compare/compare.json in the (second) run's folder. If that run's
    recipe has a `judge:`, a judge model says which answer is better (docs/judge.md).

    With --bases, compares base models before any training: bits per character of your data's answers,
    metrics, general knowledge and speed, written to runs/compare-bases/ (docs/evaluation.md).
    """
    if not bases:
        given = {"--data": data, "--template": template, "--hardware": hardware != "auto"}
        if lost := [name for name, value in given.items() if value]:
            raise click.UsageError(f"{', '.join(lost)}: only with --bases A,B")
        return _of_runs(runs, split, limit)
    if runs or split:
        raise click.UsageError(f"--bases takes no {'run' if runs else '--split'}: it uses all rows of --data")
    if not data:
        raise click.UsageError("--bases needs --data NAME or FILE, whose rows are asked")
    from orchestrator.execute.evaluating.compare_bases import LIMIT, BasesOptions

    named, templates = [word for word in _words(bases) if word], _words(template)
    return _of_bases(BasesOptions(named, data, templates, hub, limit or LIMIT, hardware))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")] if text else []


def _of_bases(options: BasesOptions) -> Outcome:
    from pathlib import Path

    from orchestrator.cli.text.bases import bases_text
    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.execute.evaluating.compare_bases import compare_bases
    from orchestrator.execute.project import recipes

    comparison, file = compare_bases(
        options, project=recipes.project_folder(Path.cwd()), progress=TerminalProgress()
    )
    return Outcome(
        data={"file": str(file), **comparison}, text=f"{bases_text(comparison)}\nall of it: {file}"
    )


def _of_runs(runs: tuple[str, ...], split: str | None, limit: int | None) -> Outcome:
    from pathlib import Path

    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.errors import Problem, UsageError
    from orchestrator.execute.evaluating import evaluate_run
    from orchestrator.execute.evaluating.compare_models import COMPARED, compare_models
    from orchestrator.execute.project import recipes

    if len(runs) > 2:  # noqa: PLR2004  a and b
        raise UsageError(Problem("more than two runs", hint="conch compare RECIPE, or RUN_A RUN_B"))
    a, b = runs if len(runs) == 2 else ("", runs[0] if runs else "magic_conch")  # noqa: PLR2004
    options = evaluate_run.EvaluateOptions(split=split or "", limit=limit)
    found = compare_models(
        a, b, options, project=recipes.project_folder(Path.cwd()), progress=TerminalProgress()
    )
    file = str(found.run.path / COMPARED)
    data = {"run": found.run.name, "split": found.split, "file": file, **found.result}
    text = "\n".join([*_shown(found), *judge_lines(found.result), f"all of it: {file}"])
    return Outcome(data=data, text=text, problems=tuple(_judge_problems(found.result)))


def _shown(found: Comparison) -> Iterable[str]:
    from orchestrator.cli.text.terminal import table
    from orchestrator.outside import one_line

    comparison = found.result
    rows = [
        *(_passed(kind, both) for kind, both in comparison["passed"].items() if both["b"][1]),
        *(
            (name, f"{one['a']:.2f}", f"{one['b']:.2f}", _change(one))
            for name, one in comparison["metrics"].items()
        ),
    ]
    names = (comparison["a"], comparison["b"])
    yield table((f"{comparison['samples']} {found.split} rows", *names, "difference [95 %]"), rows)
    judged = [row for row in comparison["rows"] if row["b_passed"] is not None]
    worse = [row for row in judged if row["id"] in comparison["worse"]]
    chosen = [*worse, *(row for row in comparison["rows"] if row not in worse)][:_SHOWN]
    cells = [
        (
            one_line(row["question"], _ANSWER),
            _answer(row["a"], row["a_passed"]),
            _answer(row["b"], row["b_passed"]),
        )
        for row in chosen
    ]
    yield table(("question", *names), cells, bad=[row in worse for row in chosen])
    if comparison["worse"]:
        yield f"got worse: {', '.join(comparison['worse'])}"
    elif any(row["a_passed"] for row in judged):
        yield "nothing got worse"
    else:
        yield f"nothing could get worse: {comparison['a']} passed no question that was judged"


def judge_lines(comparison: Compared) -> Iterable[str]:
    """What the judge model said of a comparison, in one line; nothing without a judge."""
    judge = comparison.get("judge")
    if judge and judge["judged"]:
        yield (
            f"the judge {judge['model']}, {judge['judged']} pairs: {judge['b']} better {judge['wins_b']}, "
            f"{judge['a']} better {judge['wins_a']}, tie {judge['ties']} (by order alone {judge['swayed']}); "
            f"rate of {judge['b']} {judge['rate_b']:.0%} [{judge['low']:.0%}, {judge['high']:.0%}]"
            + (f"; without a verdict {judge['failed']}" if judge["failed"] else "")
        )
    elif judge and not judge["error"]:
        failed = next((row["error"] for row in judge["rows"] if row["error"]), "")
        yield f"the judge {judge['model']} gave no verdict" + (f": {failed}" if failed else "")


def _judge_problems(comparison: Compared) -> Iterable[Problem]:
    from orchestrator.errors import Problem

    judge = comparison.get("judge")
    if judge and (error := judge["error"]):
        what = f"the judge did not answer every question: {error}"
        hint = (
            "set its address in the recipe's judge: section and its key in CONCH_JUDGE_KEY, then run it again"
        )
        yield Problem(what, hint=hint)


def _answer(answer: str, passed: bool | None) -> str:  # noqa: FBT001
    from orchestrator.cli.text.summary import MARKS
    from orchestrator.outside import one_line

    mark = "" if passed is None else f"{MARKS[passed]} "
    return mark + (one_line(answer, _ANSWER) or "(nothing)")


def _passed(kind: str, both: Passed) -> tuple[str, str, str, str]:
    (good_a, asked_a), (good_b, asked_b) = both["a"], both["b"]
    change = f"{good_b - good_a:+d}" if asked_a == asked_b else ""
    return f"{kind} passed", f"{good_a} of {asked_a}", f"{good_b} of {asked_b}", change


def _change(one: Difference) -> str:
    return f"{one['difference']:+.2f} [{one['low']:+.2f}, {one['high']:+.2f}]"
