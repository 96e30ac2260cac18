"""The report of a run as a page: a fold of report.json (execute/run_facts.py) and nothing else. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.html.curves import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, chart, smoothed
from orchestrator.html.layout import page
from orchestrator.html.verdict import figures, sentence, state_of
from orchestrator.html.words import Say, proof_words, speaker, tongue

_SET = "--set "
RATES = ("checks", "paraphrases", "general")
MOST_CASES = 200
# An answer of more characters or lines is folded, and so much of it is shown.
LONG, LINES, SHOWN = 220, 6, 150
FRAME = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "top": TOP}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart under its heading; `axis` says what runs from left to right."""

    title: str
    axis: str
    chart: Chart
    note: str = ""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One question with what both models answered; None where the base was not asked.

    Attributes:
        checks: verdicts of the tuned model, as report.json has them.
    """

    question: str
    before: str | None
    before_passed: bool
    after: str
    passed: bool
    checks: tuple[Mapping[str, Any], ...]


def run_page(told: Mapping[str, Any]) -> str:
    """The whole page, in the language that report.json names."""
    say = speaker(told["language"])
    cases = cases_of(told)
    values = {
        "lang": {"zh": "zh-CN"}.get(told["language"], told["language"]),
        "told": told,
        "say": say,
        "state": state_of(told),
        "sentence": sentence(told, say),
        "figures": figures(told, say),
        "training": list(training_charts(told, say)),
        "memory": list(memory_charts(told, say)),
        "trials": trials_chart(told, say),
        "frame": FRAME,
        "stages": stages_of(told),
        "cases": cases[:MOST_CASES],
        "more_cases": max(0, len(cases) - MOST_CASES),
        "paraphrases": cases_of({**told, "verdicts": told["paraphrases"], "base_verdicts": []})[:MOST_CASES],
        "written": {key: one for key, one in told["recipe_values"].items() if one.get("from") != "default"},
        "aim": aim,
        "again": again(told),
        "brief": brief,
        "plain": plain,
        "parts": ("train", "validation", "test"),
        "named": lambda system: say(system) if system in {"base", "tuned"} else system,
        "tongue": lambda name: tongue(name, told["language"]),
        "claim": lambda name: proof_words(name, told["language"]),
    }
    return page("run", told["recipe"], values)


def training_charts(told: Mapping[str, Any], say: Say) -> Iterable[Drawing]:
    """Loss, validation loss and learning rate over the steps; those that were recorded."""
    training = told["training"] or {}
    losses = training.get("losses", [])
    drawn = {"raw": losses, "smoothed": smoothed(losses)} if len(losses) > 2 else {"smoothed": losses}  # noqa: PLR2004
    wanted = (
        ("loss", drawn, True),
        ("validation", {"smoothed": training.get("validations", [])}, False),
        ("rate", {"smoothed": training.get("rates", [])}, True),
    )
    for name, series, from_zero in wanted:
        found = chart(series, from_zero=from_zero)
        if found is not None:
            yield Drawing(say(name), say("step"), found)


def memory_charts(told: Mapping[str, Any], say: Say) -> Iterable[Drawing]:
    """GPU memory and tokens a second over the steps; those that were recorded."""
    training = told["training"] or {}
    memory = {"raw": training.get("vram_reserved", []), "smoothed": training.get("vram_allocated", [])}
    for name, series in (("vram", memory), ("throughput", {"smoothed": training.get("throughput", [])})):
        found = chart(series, from_zero=True)
        if found is not None:
            yield Drawing(say(name), say("step"), found)


def trials_chart(told: Mapping[str, Any], say: Say) -> Drawing | None:
    """The score of each trial of a sweep that has one."""
    trials = (told["trials"] or {}).get("trials") or []
    points = [(one.get("number"), one.get("score")) for one in trials]
    scored = [(x, y) for x, y in points if isinstance(x, int | float) and isinstance(y, int | float)]
    found = chart({"trials": scored}, dotted=MOST_CASES)
    return None if found is None else Drawing(say("score"), say("trial"), found)


def stages_of(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each stage with its share, in per cent, of the longest one."""
    longest = max((one["seconds"] for one in told["runs"]), default=0) or 1
    return [{**one, "share": round(100 * one["seconds"] / longest, 1)} for one in told["runs"]]


def cases_of(told: Mapping[str, Any]) -> list[CaseRow]:
    """The questions in the recipe's order, each with the base's answer where it was asked."""
    base = _by_case(told["base_verdicts"])
    found = []
    for name, verdicts in _by_case(told["verdicts"]).items():
        shown = next((one for one in verdicts if not one["passed"]), verdicts[0])
        before = base.get(name, ())
        found.append(
            CaseRow(
                question=shown["question"],
                before=before[0]["answer"] if before else None,
                before_passed=all(one["passed"] for one in before),
                after=shown["answer"],
                passed=all(one["passed"] for one in verdicts),
                checks=tuple(verdicts),
            )
        )
    return found


def _by_case(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in verdicts:
        found.setdefault(one["case"], []).append(one)
    return found


def brief(text: str) -> str:
    r"""The beginning of a long text, on one line; "" of one that is shown whole.

    >>> brief("short"), brief("a\n" * 9)
    ('', 'a a a a a a a a a…')
    """
    if len(text) <= LONG and text.count("\n") < LINES:
        return ""
    return " ".join(text[:SHOWN].split()) + "…"


def aim(part: Mapping[str, Any], key: str) -> str:
    """What a part of a target wants, or got: of rates, per cent."""
    value = part.get(key)
    if part.get("name") in RATES and isinstance(value, int | float):
        return f"{value:.1%}"
    return plain(value)


def again(told: Mapping[str, Any]) -> str:
    """The command that makes such a run, as a shell reads it: its recipe, and what was set on top."""
    origins = [str(one.get("from", "")) for one in told["recipe_values"].values()]
    sets = [one.removeprefix(_SET) for one in origins if one.startswith(_SET)]
    return shlex.join(["conch", "run", told["recipe"], *(word for one in sets for word in ("--set", one))])


def plain(value: Any) -> str:
    """A recipe's value, or a number of a table, as text."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(one)}" for key, one in value.items()) or "–"
    return str(value)
