"""Verifying a running server: ask everything and judge it; if the server dies, keep what it answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from orchestrator.checks import judge_all, not_run
from orchestrator.checks.base import Case
from orchestrator.checks.repeats import (
    ONCE,
    RepeatsCheck,
    as_sampled,
    folded,
    repeated,
    sampled_every,
    stem,
)
from orchestrator.errors import CheckFailed, ConchError, exit_code_of
from orchestrator.execute.inference.ask import CONCURRENCY, ask_all, ask_sampled, settle
from orchestrator.execute.inference.client import Client
from orchestrator.metrics.interval import wilson
from orchestrator.results import Outcome, Sampled, Sentence, Transcript, Verdict, json_of, passed_of, reaches


@dataclass(frozen=True, slots=True)
class Verification:
    """A server's answers, judged.

    Attributes:
        verdicts: of the recipe's checks.
        paraphrases: verdicts of questions that were not trained; they never make it fail.
        left: cases that were not asked because the server was gone, which neither passed nor failed.
        error: what ended it early, or None.
        sampled: the sampled answers; None if the server is greedy by default, or does not show it.
        required: the share of the questions that must pass; without it all must.
    """

    verdicts: tuple[Verdict, ...] = ()
    paraphrases: tuple[Verdict, ...] = ()
    left: tuple[Case, ...] = ()
    error: ConchError | None = None
    sampled: Sampled | None = None
    required: float | None = None

    @property
    def exit_code(self) -> int:
        """The error's, else 5 when too many checks failed or no question could be judged, else 0."""
        if self.error is not None:
            return exit_code_of(self.error)
        outcome = Outcome.of(self.verdicts)
        fails = outcome.fails
        if self.required is not None:
            fails = reaches(outcome.passed, outcome.judged, self.required) is not True
        return CheckFailed.exit_code if fails or (self.sampled and self.sampled.fails) else 0

    def to_json(self) -> dict[str, object]:
        """Everything, JSON-able."""
        outcome = Outcome.of(self.verdicts)
        return {
            "verdicts": [json_of(verdict) for verdict in self.verdicts],
            "paraphrases": [json_of(verdict) for verdict in self.paraphrases],
            "not_run": [case.id for case in self.left],
            "not_judged": [case for case, passed in outcome.cases.items() if passed is None],
            "passed": (outcome.passed, outcome.judged),
            "passed_interval": wilson(outcome.passed, outcome.judged),
            "paraphrases_passed": passed_of(self.paraphrases),
            "sampled": self.sampled and self.sampled.to_json(),
        }


@dataclass(frozen=True, slots=True)
class SampledRequest:
    """How the questions are asked as by a client that names no sampling value.

    Attributes:
        client: one that names none.
        sampling: how the server then samples.
        repeats: how often each question is asked.
        required: the share of the answers that must pass.
    """

    client: Client
    sampling: Sentence
    repeats: int
    required: float

    def judged(self, cases: Sequence[Case], every: Sequence[str], answers: Sequence[Transcript]) -> Sampled:
        """The answers, judged."""
        verdicts = judge_all(as_sampled(cases, self.repeats), sampled_every(every), answers)
        return Sampled(self.sampling, self.required, tuple(verdicts))


def verify_server(
    client: Client,
    cases: Sequence[Case],
    paraphrases: Sequence[Case],
    every: Sequence[str],
    progress: Callable[[str], None],
    *,
    repeats: RepeatsCheck = ONCE,
    concurrency: int = CONCURRENCY,
    required: float | None = None,
    plain: SampledRequest | None = None,
) -> Verification:
    """Ask and judge; the error of a server that dies is in the result, not raised.

    Paraphrases are judged only by what they expect; `every` names checks that apply to all cases. `required`
    is as of Verification.
    """
    repetitions = repeated(cases, repeats)
    transcripts: list[Transcript] = []
    sampled: list[Transcript] = []
    failure: ConchError | None = None
    try:
        for answered, line in ask_all(client, repetitions, every, paraphrases, concurrency=concurrency):
            transcripts += answered
            progress(line)
        transcripts = settle(client, repetitions, every, transcripts)
        if plain is not None:
            times = as_sampled(cases, plain.repeats)
            for answered, line in ask_sampled(plain.client, times, every, concurrency=concurrency):
                sampled += answered
                progress(line)
    except ConchError as error:
        failure = error
    result = Verification(
        verdicts=tuple(folded(judge_all(repetitions, every, transcripts), repeats)),
        paraphrases=tuple(judge_all(paraphrases, (), transcripts)),
        sampled=plain.judged(cases, every, sampled) if plain else None,
        required=required,
    )
    unasked = {stem(case.id) for case in not_run([*repetitions, *paraphrases], transcripts)}
    left = tuple(case for case in (*cases, *paraphrases) if case.id in unasked)
    return replace(result, left=left, error=failure)
