"""Checks: one file per judgement, pure. Asking is execute/ask.py's work.

To add one: a module here with the shape of `base.Check`, and its line in CHECKS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
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
from orchestrator.checks.base import Case, Check, PromptPlan, whole
from orchestrator.errors import did_you_mean
from orchestrator.results import Transcript, Verdict

CHECKS: dict[str, Check] = {
    "contains": contains,
    "equals": equals,
    "matches": matches,
    "any_of": any_of,
    "not_contains": not_contains,
    "similar": similar,
    "json_valid": json_valid,
    "length": length,
    "no_repetition": no_repetition,
    "language": language,
    "refuses": refuses,
    "persona": persona,
    "consistent": consistent,
    "thinks": thinks,
    "tool_call": tool_call,
    "remembers": remembers,
    "forgets": forgets,
    "stops": stops,
    "no_control_tokens": no_control_tokens,
    "streamed": streamed,
}

# The checks that need no argument: what a recipe's `verify.every` may name.
EVERY: tuple[str, ...] = ("stops", "no_control_tokens", "streamed", "no_repetition", "thinks")


def problems_of(expect: Mapping[str, Any]) -> list[tuple[str, str]]:
    """All that is wrong with an `expect` mapping: (check name, sentence) pairs.

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
    """The sentence for a name that is no check's, with the nearest that is."""
    return f'no check named "{name}"' + (did_you_mean(name, CHECKS) or f"; there are {', '.join(CHECKS)}")


def wanted(case: Case, every: Sequence[str] = ()) -> list[tuple[str, Any]]:
    """The (check, argument) pairs that judge a case: its own, then those of every case."""
    return [*case.expect.items(), *((name, True) for name in every if name not in case.expect)]


def asks_of(case: Case, every: Sequence[str] = ()) -> tuple[PromptPlan, ...]:
    """The conversations that a case needs, each once, the whole one first."""
    merged: dict[str, PromptPlan] = {}
    needed = [one for name, argument in wanted(case, every) for one in CHECKS[name].asks(case, argument)]
    for asked in (*whole(case), *needed):
        before = merged.get(asked.purpose)
        streamed_too = asked.streamed or (before is not None and before.streamed)
        merged[asked.purpose] = replace(asked, streamed=streamed_too, seed=case.seed, tools=case.tools)
    return tuple(merged.values())


def judge_all(
    cases: Iterable[Case], every: Sequence[str], transcripts: Sequence[Transcript]
) -> list[Verdict]:
    """Every verdict, in the order of the cases. A case without any transcript was not run: no verdict."""
    by_case: dict[str, list[Transcript]] = {}
    for transcript in transcripts:
        by_case.setdefault(transcript.case, []).append(transcript)
    return [
        CHECKS[name].judge(case, argument, by_case[case.id])
        for case in cases
        if case.id in by_case
        for name, argument in wanted(case, every)
    ]


def not_run(cases: Iterable[Case], transcripts: Sequence[Transcript]) -> list[Case]:
    """The cases that were never asked: neither passed nor failed."""
    asked = {transcript.case for transcript in transcripts}
    return [case for case in cases if case.id not in asked]
