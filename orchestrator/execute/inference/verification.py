"""Verifying a running server: ask everything, judge it, and keep what was answered when the server dies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.checks import judge_all, not_run
from orchestrator.checks.base import Case
from orchestrator.checks.repeats import ONCE, RepeatsCheck, folded, repeated, stem
from orchestrator.errors import CheckFailed, ConchError, exit_code_of
from orchestrator.execute.inference.ask import CONCURRENCY, ask_cases, settle
from orchestrator.execute.inference.client import Client
from orchestrator.metrics.interval import wilson
from orchestrator.results import Transcript, Verdict, json_of, passed_of


@dataclass(frozen=True, slots=True)
class Verification:
    """What a server answered, judged.

    Attributes:
        verdicts: of the recipe's checks.
        paraphrases: of the questions that were not trained; they never make it fail.
        left: the cases that were not asked because the server was gone: neither passed nor failed.
        error: what ended it early, or None.
    """

    verdicts: tuple[Verdict, ...] = ()
    paraphrases: tuple[Verdict, ...] = ()
    left: tuple[Case, ...] = ()
    error: ConchError | None = None

    @property
    def exit_code(self) -> int:
        """The error's, else 5 when a check failed, else 0."""
        if self.error is not None:
            return exit_code_of(self.error)
        return CheckFailed.exit_code if any(not verdict.passed for verdict in self.verdicts) else 0

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        return {
            "verdicts": [json_of(verdict) for verdict in self.verdicts],
            "paraphrases": [json_of(verdict) for verdict in self.paraphrases],
            "not_run": [case.id for case in self.left],
            "passed": passed_of(self.verdicts),
            "passed_interval": wilson(*passed_of(self.verdicts)),
            "paraphrases_passed": passed_of(self.paraphrases),
        }


def verify_server(
    client: Client,
    cases: Sequence[Case],
    paraphrases: Sequence[Case],
    every: Sequence[str],
    tell: Callable[[str], None],
    *,
    repeats: RepeatsCheck = ONCE,
    concurrency: int = CONCURRENCY,
) -> Verification:
    """Ask and judge. A server that dies on the way is the result's `error`, not an exception.

    Args:
        client: of a server that was reached before.
        cases: the recipe's checks.
        paraphrases: judged by what they expect alone.
        every: the checks that apply to every case.
        tell: is given a line of progress after each question.
        repeats: how often each of the checks is asked, and must pass.
        concurrency: so many are asked side by side.
    """
    wanted = repeated(cases, repeats)
    transcripts: list[Transcript] = []
    total = len(wanted) + len(paraphrases)
    asked = 0
    failure: ConchError | None = None
    try:
        for chosen, checks in ((wanted, every), (paraphrases, ())):
            for answered in ask_cases(client, chosen, checks, concurrency=concurrency):
                transcripts += answered
                asked += 1
                tell(f"asked {asked}/{total}")
        transcripts = settle(client, wanted, every, transcripts)
    except ConchError as error:
        failure = error
    result = Verification(
        verdicts=tuple(folded(judge_all(wanted, every, transcripts), repeats)),
        paraphrases=tuple(judge_all(paraphrases, (), transcripts)),
    )
    unasked = {stem(case.id) for case in not_run([*wanted, *paraphrases], transcripts)}
    left = tuple(case for case in (*cases, *paraphrases) if case.id in unasked)
    return replace(result, left=left, error=failure)
