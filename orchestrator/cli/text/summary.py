"""The closing summary of a run: proofs, verdicts, paths, next steps, and how to call the model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orchestrator.cli.text.program import runnable
from orchestrator.outside import one_line, visible
from orchestrator.proofs import OF_KINDS
from orchestrator.results import Outcome, Report, Status, Verdict, joined, passed_of

SHORT = 60
SHOWN = 3
MARKS = {True: "✓", False: "✗", None: "–"}


def summary(report: Report, *, folder: Path, model: str, stand_in: bool, scores: bool = False) -> str:
    """The closing text of `conch run` and `conch sft`.

    Args:
        report: what happened.
        folder: the run folder, as shown to the user.
        model: the name of the served model.
        stand_in: whether the base is the stand-in for the recipe's base.
        scores: whether it is a reward model.
    """
    blocks = [
        "\n".join([*_proofs(report), *_curve(report)]),
        "\n".join(_checks(report)),
        "\n".join(_target(report)),
        "\n".join(_paths(report, folder)),
        "\n".join(_next(report, model, scores=scores)),
    ]
    if stand_in:
        blocks.append(
            "The base was the embedded stand-in: it shows the workflow, not how a DeepSeek model answers."
        )
    return "\n\n".join(block for block in blocks if block)


def _proofs(report: Report) -> Iterable[str]:
    for proof in report.proofs:
        if proof.holds:
            said = joined([proof.covered, proof.detail if proof.name in OF_KINDS else ""])
            yield f"proven      {proof.name}: {said}"
        else:
            word = "ACCEPTED" if proof.accepted else "REFUTED"
            yield f"{word:<11} {proof.name}: {visible(proof.detail)}"


def _curve(report: Report) -> Iterable[str]:
    if report.curve is None:
        return
    early = "ended early; " if report.curve["ended"] else ""
    advice = f"; try {report.curve['advice']}" if report.curve["advice"] else ""
    yield f"curve       {early}{report.curve['sentence']}{advice}"


def _target(report: Report) -> Iterable[str]:
    for part in report.target["parts"] if report.target else ():
        yield f"{'target met' if part['met'] else 'MISSED':<11} {visible(part['sentence'])}"


def _checks(report: Report) -> Iterable[str]:
    if not report.verdicts:
        return
    outcome = Outcome.of(report.verdicts)
    yield f"checks      {counts(outcome)}"
    if report.sampled:
        yield f"sampled     {visible(report.sampled.words)}"
        wrong = [verdict for verdict in report.sampled.verdicts if verdict.passed is False]
        for verdict in wrong[:SHOWN]:
            yield f"            ✗ {one_line(verdict.question, SHORT)} → {one_line(verdict.answer, SHORT)}"
    base = {verdict.case: verdict for verdict in report.base_verdicts}
    if base:
        before, of = passed_of(report.base_verdicts)
        yield f"            the base model passed {before} of {of}"
    right, held_out = passed_of(report.paraphrases)
    if held_out:
        share = f"{right / held_out:.0%}"
        yield f"paraphrases {right} of {held_out} held-out questions answered correctly ({share})"
    known, of = passed_of(report.general)
    if of:
        before, _ = passed_of(report.general_base)
        yield f"general     {known} of {of} general questions answered correctly (base model: {before})"
    yield ""
    for verdict in _one_per_case(report.verdicts):
        mark = MARKS[verdict.passed]
        yield f"  {mark} {one_line(verdict.question, SHORT)}"
        yield f"      tuned: {one_line(verdict.answer, SHORT)}" + (
            "" if verdict.passed else f"   ({visible(verdict.reason)})"
        )
        if verdict.case in base:
            yield f"      base:  {one_line(base[verdict.case].answer, SHORT) or '(nothing)'}"


def _one_per_case(verdicts: Iterable[Verdict]) -> Iterable[Verdict]:
    """A case's first failure, else that it is not judged, else its first verdict."""
    chosen: dict[str, Verdict] = {}
    for verdict in verdicts:
        before = chosen.setdefault(verdict.case, verdict)
        if before.passed is not False and verdict.passed is not True and before.passed != verdict.passed:
            chosen[verdict.case] = verdict
    return chosen.values()


def counts(checks: Outcome) -> str:
    """How many checks passed, and how many could not.

    >>> counts(Outcome({"a": True, "b": None})), counts(Outcome({"a": None}))
    ('1 of 1 passed, 1 not judged', 'nothing was judged: no question has an expectation (1 asked)')
    """
    if checks.cases and not checks.judged:
        return f"nothing was judged: no question has an expectation ({checks.not_judged} asked)"
    more = f", {checks.not_judged} not judged" if checks.not_judged else ""
    return f"{checks.passed} of {checks.judged} passed{more}"


def _paths(report: Report, folder: Path) -> Iterable[str]:
    done = {run.stage for run in report.runs if run.status in (Status.DONE, Status.SKIPPED)}
    yield f"run         {folder}"
    if "export" in done:
        yield f"model       {folder}/export"
    if "train" in done:
        yield f"loss        {folder}/adapter/training_loss.png"
    if "report" in done:
        yield f"report      {folder}/report/report.html"


def _next(report: Report, model: str, *, scores: bool) -> Iterable[str]:
    if report.exit_code != 0 or not any(run.stage == "export" for run in report.runs):
        return
    from orchestrator.backends import clients

    yield "Next steps"
    yield runnable(f"  conch serve {report.recipe}      serve it (or: make serve recipe={report.recipe})")
    does = "have it score the held-out pairs" if scores else "ask it the recipe's questions"
    yield runnable(f"  conch verify {report.recipe}     {does}, from another terminal")
    if not scores:
        yield runnable(f"  conch chat {report.recipe}       chat with it")
    question = report.verdicts[0].question if report.verdicts else "你好"
    for title, snippet in clients.all_snippets(clients.DEFAULT_URL, model, question, scores=scores).items():
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in snippet.splitlines())
