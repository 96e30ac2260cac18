"""Repeated cases, and the verdicts of the repeats folded into one. Pure.

The first repeat keeps the case's id, the others are "checks[0]~2", "checks[0]~3", …. A case passes a check if
enough of its repeats do; the reason gives the share with Wilson's interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from orchestrator.checks.base import Case
from orchestrator.metrics.interval import wilson
from orchestrator.results import Sentence, Verdict, in_chinese, joined

MARK = "~"
# 7 of 10 meets 0.7 despite floating-point rounding.
_NEARLY = 1e-9


@dataclass(frozen=True, slots=True)
class RepeatsCheck:
    """How often each case is asked, and which share (`least`) of the repeats must pass a check.

    `times=1` leaves cases and verdicts unchanged. `seeded` seeds the requests of each repeat with its number.
    """

    times: int = 1
    least: float = 1.0
    seeded: bool = False


ONCE = RepeatsCheck()


def sampled_every(every: Iterable[str]) -> tuple[str, ...]:
    """The checks of sampled answers. Two samples differ by chance, and `streamed` is of the greedy ones."""
    return tuple(name for name in every if name != "streamed")


def repeated(cases: Iterable[Case], repeats: RepeatsCheck) -> list[Case]:
    """Each case `times` times in a row.

    >>> [case.id for case in repeated([Case("checks[0]", ("谁",))], RepeatsCheck(3))]
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


def as_sampled(cases: Iterable[Case], times: int) -> list[Case]:
    """Each case `times` times, to be asked without any sampling value: each with a seed of its own.

    >>> [case.id for case in as_sampled([Case("checks[0]", ("谁",))], 2)]
    ['checks[0]~s1', 'checks[0]~s2']
    """
    return [
        replace(case, id=f"{case.id}{MARK}s{number}", seed=number)
        for case in cases
        for number in range(1, times + 1)
    ]


def stem(case: str) -> str:
    """The id of the case without its repeat number.

    >>> stem("checks[0]~3"), stem("checks[0]")
    ('checks[0]', 'checks[0]')
    """
    return case.partition(MARK)[0]


def folded(verdicts: Sequence[Verdict], repeats: RepeatsCheck) -> list[Verdict]:
    """One verdict per case and check, in the order of the cases; an incomplete case has none."""
    if repeats.times == 1:
        return list(verdicts)
    together: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        together.setdefault((stem(verdict.case), verdict.check), []).append(verdict)
    return [_folded(each, repeats.least) for each in together.values() if len(each) == repeats.times]


def _folded(verdicts: Sequence[Verdict], least: float) -> Verdict:
    if verdicts[0].passed is None:
        return replace(verdicts[0], case=stem(verdicts[0].case))
    good, total = sum(verdict.passed is True for verdict in verdicts), len(verdicts)
    passed = good / total >= least - _NEARLY
    low, high = wilson(good, total)
    reason = Sentence(
        f"{good} of {total} passed (95 % interval {low:.2f}–{high:.2f}; at least {least:g} required)",
        f"{total} 次中通过 {good} 次（95% 置信区间 {low:.2f}–{high:.2f}；至少需要 {least:g}）",
    )
    shown = next((verdict for verdict in verdicts if verdict.passed is passed), verdicts[0])
    example = Sentence(f"for example: {shown.reason}", f"例如：{in_chinese(shown.reason)}")
    reason = reason if passed else joined([reason, example])
    return replace(shown, case=stem(shown.case), passed=passed, reason=reason)
