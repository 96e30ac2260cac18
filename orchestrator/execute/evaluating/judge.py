"""The task `judge`: answers.jsonl becomes verdicts.json, without asking anything again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from orchestrator.checks import judge_all, not_run
from orchestrator.checks.base import Case
from orchestrator.checks.repeats import RepeatsCheck, folded, repeated
from orchestrator.errors import CheckFailed, Problem, StageFailed
from orchestrator.evaluation import general
from orchestrator.execute.inference.dataset_cases import cases_in
from orchestrator.execute.inference.transcripts import read_answers
from orchestrator.plan.stages.judge import JudgeSettings
from orchestrator.plan.stages.questions import BASE, TUNED
from orchestrator.results import Outcome, Transcript, Verdict, json_of


def judge(settings: JudgeSettings, folder: Path) -> int:
    """Write {"verdicts", "paraphrases", "base_verdicts", "general", "general_base"}.

    5 when a verdict of the tuned model is no, or no question is judged, unless a target decides how many must
    pass. The general questions are only counted.

    The base and the paraphrases are judged by what a case expects alone, and never make it a 5: that an
    untouched model also stops and streams well says nothing of the training, and costs every answer twice.

    Raises:
        MissingError: there are no answers.
        StageFailed: the answers are not those of these cases.
    """
    repeats = RepeatsCheck(settings.repeats, settings.pass_rate)
    cases, paraphrases = repeated(cases_in(settings.cases, folder), repeats), settings.paraphrases
    answers = _read_whole(folder / settings.answers, [*cases, *paraphrases])
    verdicts = folded(judge_all(cases, settings.every, answers), repeats)
    base: list[Verdict] = []
    if settings.base_answers:
        told = _read_whole(folder / settings.base_answers, cases)
        base = folded(judge_all(cases, (), told), repeats)
    written = {
        "verdicts": verdicts,
        "paraphrases": judge_all(paraphrases, (), answers),
        "base_verdicts": base,
        "general": _general(settings, folder, TUNED),
        "general_base": _general(settings, folder, BASE),
    }
    text = json.dumps(
        {name: [json_of(each) for each in found] for name, found in written.items()},
        ensure_ascii=False,
        indent=1,
    )
    (folder / settings.out).write_text(text + "\n", encoding="utf-8")
    return CheckFailed.exit_code if settings.decides and Outcome.of(verdicts).fails else 0


def _general(settings: JudgeSettings, folder: Path, system: str) -> list[Verdict]:
    answers = settings.general.get(system)
    return judge_general(folder / answers) if answers else []


def judge_general(answers: Path) -> list[Verdict]:
    """The verdicts of the questions of general knowledge (evaluation/general.py)."""
    cases = general.cases()
    return judge_all(cases, (), _read_whole(answers, cases))


def _read_whole(path: Path, cases: Sequence[Case]) -> list[Transcript]:
    transcripts = read_answers(path)
    missing = not_run(cases, transcripts)
    if missing:
        names = ", ".join(case.id for case in missing)
        raise StageFailed(Problem(f"without an answer: {names}", where=str(path), hint="ask again"))
    return transcripts
