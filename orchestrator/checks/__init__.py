"""Checks: one file per judgement of a case's answers, pure. execute/inference sends the requests.

To add a check, add a module here that ends in `CHECK = …()` (base.py has the bases), its line in CHECKS, and
a test. Checks do not import each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from orchestrator.checks import (
    any_of,
    consistent,
    contains,
    equals,
    forgets,
    json_valid,
    language,
    length,
    matches,
    no_control_tokens,
    no_repetition,
    not_contains,
    persona,
    refuses,
    remembers,
    similar,
    stops,
    streamed,
    thinks,
    tool_call,
)
from orchestrator.checks.base import NOT_JUDGED, Case, Check, PromptPlan, last_turn, verdict, whole
from orchestrator.errors import did_you_mean
from orchestrator.results import UNJUDGED, Transcript, Verdict

# In the order in which help and messages list them.
CHECKS: dict[str, Check[Any]] = {
    module.CHECK.name: module.CHECK
    for module in (
        contains,
        equals,
        matches,
        any_of,
        not_contains,
        similar,
        json_valid,
        length,
        no_repetition,
        language,
        refuses,
        persona,
        consistent,
        thinks,
        tool_call,
        remembers,
        forgets,
        stops,
        no_control_tokens,
        streamed,
    )
}

# The checks that a recipe's `verify.every` may name: they need no argument.
EVERY: tuple[str, ...] = ("stops", "no_control_tokens", "streamed", "no_repetition", "thinks")


def problems_of(expect: Mapping[str, object]) -> list[tuple[str, str]]:
    """Everything that is wrong with an `expect` mapping: (check name, message) pairs.

    >>> problems_of({"contain": "x"})
    [('contain', 'no check named "contain"; did you mean "contains"?')]
    """
    found = []
    for name, argument in expect.items():
        wrong = CHECKS[name].problem(argument) if name in CHECKS else unknown(name)
        if wrong:
            found.append((name, wrong))
    return found


def unknown(name: str) -> str:
    """The message for an unknown check, with the nearest name."""
    return f'no check named "{name}"' + (did_you_mean(name, CHECKS) or f"; there are {', '.join(CHECKS)}")


def checks_of(case: Case, every: Sequence[str] = ()) -> list[tuple[str, object]]:
    """The (check, argument) pairs of a case: its own, then those of every case."""
    return [*case.expect.items(), *((name, True) for name in every if name not in case.expect)]


def prompts_of(case: Case, every: Sequence[str] = ()) -> tuple[PromptPlan, ...]:
    """The conversations that a case needs, each once, the whole one first."""
    merged: dict[str, PromptPlan] = {}
    needed = (CHECKS[name].prompts(case, argument) for name, argument in checks_of(case, every))
    for plan in (*whole(case), *chain.from_iterable(needed)):
        before = merged.get(plan.purpose)
        streamed_too = plan.streamed or (before is not None and before.streamed)
        merged[plan.purpose] = replace(
            plan, streamed=streamed_too, seed=case.seed, tools=case.tools, results=case.results
        )
    return tuple(merged.values())


def judge_all(
    cases: Iterable[Case], every: Sequence[str], transcripts: Sequence[Transcript]
) -> list[Verdict]:
    """Every verdict, in the order of the cases. A case without a transcript was not run: no verdict.

    A case without an expectation has one verdict more, which says that it is not judged.
    """
    by_case: dict[str, list[Transcript]] = {}
    for transcript in transcripts:
        by_case.setdefault(transcript.case, []).append(transcript)
    return [one for case in cases if case.id in by_case for one in _judged(case, every, by_case[case.id])]


def _judged(case: Case, every: Sequence[str], transcripts: Sequence[Transcript]) -> Iterable[Verdict]:
    for name, argument in checks_of(case, every):
        yield CHECKS[name].judge(case, argument, transcripts)
    if not case.expect:
        yield verdict(case, UNJUDGED, last_turn(transcripts), passed=None, reason=NOT_JUDGED)


def not_run(cases: Iterable[Case], transcripts: Sequence[Transcript]) -> list[Case]:
    """The cases that were never asked: neither passed nor failed."""
    known = {transcript.case for transcript in transcripts}
    return [case for case in cases if case.id not in known]
