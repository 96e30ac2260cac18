"""A case asked several times, and the verdicts of its repeats folded into one. Pure.

The first repeat keeps the case's id, the others are "checks[0]~2", "checks[0]~3", …. A case passes a check
when enough of its repeats do; how sure that share is, Wilson's interval says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from orchestrator.checks.base import Case
from orchestrator.metrics.interval import wilson
from orchestrator.results import Verdict

MARK = "~"
# 7 of 10 are 0.7, whatever the last bit of a float says.
_NEARLY = 1e-9


@dataclass(frozen=True, slots=True)
class RepeatsCheck:
    """How often a case is asked, and how often it must pass.

    Attributes:
        times: 1 leaves cases and verdicts as they are.
        least: the share of the repeats that must pass a check.
        seeded: each repeat has its number as the seed of its requests, so that a draw can be made again.
    """

    times: int = 1
    least: float = 1.0
    seeded: bool = False


ONCE = RepeatsCheck()


def repeated(cases: Iterable[Case], repeats: RepeatsCheck) -> list[Case]:
    """Each case so many times in a row.

    >>> [case.id for case in repeated([Case("checks[0]", ("谁",))], Repeats(3))]
    ['checks[0]', 'checks[0]~2', 'checks[0]~3']
    """
    if repeats.times == 1:
        return list(cases)
    return [
        replace(
            case,
            id=case.id if number == 1 else f"{case.id}{MARK}{number}",
            seed=number if repeats.seeded else 0,
        )
        for case in cases
        for number in range(1, repeats.times + 1)
    ]


def stem(case: str) -> str:
    """The id of the case that one is a repeat of.

    >>> stem("checks[0]~3"), stem("checks[0]")
    ('checks[0]', 'checks[0]')
    """
    return case.partition(MARK)[0]


def folded(verdicts: Sequence[Verdict], repeats: RepeatsCheck) -> list[Verdict]:
    """One verdict a case and check, in the order of the cases; a case not asked to the end has none."""
    if repeats.times == 1:
        return list(verdicts)
    together: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        together.setdefault((stem(verdict.case), verdict.check), []).append(verdict)
    return [_folded(each, repeats.least) for each in together.values() if len(each) == repeats.times]


def _folded(verdicts: Sequence[Verdict], least: float) -> Verdict:
    good, asked = sum(verdict.passed for verdict in verdicts), len(verdicts)
    passed = good / asked >= least - _NEARLY
    low, high = wilson(good, asked)
    reason = f"{good} of {asked} passed (95 % interval {low:.2f}–{high:.2f}), at least {least:g} wanted"
    shown = next((verdict for verdict in verdicts if verdict.passed is passed), verdicts[0])
    if not passed:
        reason += f"; for one: {shown.reason}"
    return replace(shown, case=stem(shown.case), passed=passed, reason=reason)
