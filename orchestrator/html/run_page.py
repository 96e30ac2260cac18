"""The report of a run as a page: a fold of report.json and nothing else. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.html.curves import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Points, chart, smoothed
from orchestrator.html.facts import Facts, VerdictFacts
from orchestrator.html.layout import page
from orchestrator.html.tables import (
    DATA,
    TARGET,
    VERDICTS,
    CaseRow,
    comparison_table,
    metrics_table,
    plain,
    table_of,
    trial_columns,
)
from orchestrator.html.verdict import figures, outcome, sentence, state_of
from orchestrator.html.words import Words
from orchestrator.results import in_language

_SET = "--set "
MOST_CASES = 200
# A longer answer is folded to its first SHOWN characters.
LONG, LINES, SHOWN = 220, 6, 150
FRAME = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "top": TOP}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart under its heading; `axis` names the horizontal axis."""

    title: str
    axis: str
    chart: Chart


def run_page(facts: Facts) -> str:
    """The whole page, in the language of report.json."""
    facts = in_language(facts, facts["language"])
    words = Words(facts["language"])
    cases, trials = cases_of(facts), facts["trials"] or {}
    paraphrases = cases_of({**facts, "verdicts": facts["paraphrases"], "base_verdicts": []})
    values = {
        "lang": {"zh": "zh-CN"}.get(facts["language"], facts["language"]),
        "told": facts,
        "words": words,
        "say": words.say,
        "state": state_of(facts),
        "sentence": sentence(facts, words),
        "figures": figures(facts, words),
        "training": list(training_charts(facts, words)),
        "memory": list(memory_charts(facts, words)),
        "trials": trials_chart(facts, words),
        "frame": FRAME,
        "stages": stages_of(facts),
        "cases": cases[:MOST_CASES],
        "more_cases": max(0, len(cases) - MOST_CASES),
        "paraphrases": paraphrases[:MOST_CASES],
        "paraphrases_outcome": outcome(facts["paraphrases"]),
        "written": {key: one for key, one in facts["recipe_values"].items() if one.get("from") != "default"},
        "target_table": table_of(TARGET, facts["target"]["parts"], words) if facts["target"] else None,
        "trials_table": table_of(trial_columns(trials.get("best")), trials.get("trials") or (), words),
        "verdicts_table": table_of(VERDICTS, _verdicts(cases[:MOST_CASES]), words),
        "data_table": table_of(DATA, facts["data"], words),
        "metrics_tables": {
            split: metrics_table(systems, words) for split, systems in facts["evaluations"].items()
        },
        "comparison_table": comparison_table(facts["comparison"], words) if facts["comparison"] else None,
        "again": again(facts),
        "brief": brief,
        "plain": plain,
    }
    return page("run", facts["recipe"], values)


def training_charts(facts: Facts, words: Words) -> Iterable[Drawing]:
    """Loss, validation loss, learning rate and metrics over the steps; those that were recorded."""
    training = facts["training"]
    if training is None:
        return
    losses = training["losses"]
    drawn: dict[str, Points] = {"smoothed": losses}
    if len(losses) > 2:  # noqa: PLR2004  else there is nothing to smooth
        drawn = {"raw": losses, "smoothed": smoothed(losses)}
    for name, series, from_zero in (
        ("loss", drawn, True),
        ("validation", {"smoothed": training["validations"]}, False),
        ("rate", {"smoothed": training["rates"]}, True),
    ):
        found = chart(series, from_zero=from_zero)
        if found is not None:
            yield Drawing(words.say(name), words.say("step"), found)
    for metric in training["metrics"]:
        found = chart({"smoothed": metric["points"]}) if len(metric["points"]) > 1 else None
        if found is not None:
            yield Drawing(metric["name"], words.say("step"), found)


def memory_charts(facts: Facts, words: Words) -> Iterable[Drawing]:
    """GPU memory and tokens per second over the steps; those that were recorded."""
    training = facts["training"]
    if training is None:
        return
    memory = {"raw": training["vram_reserved"], "smoothed": training["vram_allocated"]}
    for name, series in (("vram", memory), ("throughput", {"smoothed": training["throughput"]})):
        found = chart(series, from_zero=True)
        if found is not None:
            yield Drawing(words.say(name), words.say("step"), found)


def trials_chart(facts: Facts, words: Words) -> Drawing | None:
    """The score of each trial of a sweep that has one."""
    trials = (facts["trials"] or {}).get("trials") or []
    points = [(one.get("number"), one.get("score")) for one in trials]
    scored = [(x, y) for x, y in points if isinstance(x, int | float) and isinstance(y, int | float)]
    found = chart({"trials": scored}, dotted=MOST_CASES)
    return None if found is None else Drawing(words.say("score"), words.say("trial"), found)


def stages_of(facts: Facts) -> list[dict[str, object]]:
    """Each stage with its share, in per cent, of the longest one."""
    longest = max((one["seconds"] for one in facts["runs"]), default=0) or 1
    return [{**one, "share": round(100 * one["seconds"] / longest, 1)} for one in facts["runs"]]


def cases_of(facts: Facts) -> list[CaseRow]:
    """The questions in the recipe's order, each with the base's answer if it was asked."""
    base = _by_case(facts["base_verdicts"])
    passed, before_passed = outcome(facts["verdicts"]).cases, outcome(facts["base_verdicts"]).cases
    found = []
    for name, verdicts in _by_case(facts["verdicts"]).items():
        shown = next((one for one in verdicts if not one["passed"]), verdicts[0])
        before = base.get(name, ())
        found.append(
            CaseRow(
                question=shown["question"],
                before=before[0]["answer"] if before else None,
                before_passed=before_passed.get(name),
                after=shown["answer"],
                passed=passed[name],
                checks=tuple(verdicts),
            )
        )
    return found


def _by_case(verdicts: Sequence[VerdictFacts]) -> dict[str, list[VerdictFacts]]:
    found: dict[str, list[VerdictFacts]] = {}
    for one in verdicts:
        found.setdefault(one["case"], []).append(one)
    return found


def _verdicts(cases: Iterable[CaseRow]) -> Iterable[VerdictFacts]:
    """The checks of all cases; each question only at its first check."""
    for case in cases:
        for number, one in enumerate(case.checks):
            yield {**one, "question": "" if number else case.question}


def brief(text: str) -> str:
    r"""The beginning of a long text, on one line; "" for a text that is shown whole.

    >>> brief("short"), brief("a\n" * 9)
    ('', 'a a a a a a a a a…')
    """
    if len(text) <= LONG and text.count("\n") < LINES:
        return ""
    return " ".join(text[:SHOWN].split()) + "…"


def again(facts: Facts) -> str:
    """The shell command that makes such a run: its recipe, and the values set on the command line."""
    values: Iterable[Mapping[str, object]] = facts["recipe_values"].values()
    origins = [str(one.get("from", "")) for one in values]
    sets = [one.removeprefix(_SET) for one in origins if one.startswith(_SET)]
    return shlex.join(["conch", "run", facts["recipe"], *(word for one in sets for word in ("--set", one))])
