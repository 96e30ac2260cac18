"""The task `judge`: answers.jsonl becomes verdicts.json, without asking anything again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from orchestrator.checks import judge_all, not_run
from orchestrator.checks.base import Case
from orchestrator.checks.repeats import RepeatsCheck, as_sampled, folded, repeated, sampled_every
from orchestrator.errors import CheckFailed, Problem, StageFailed
from orchestrator.evaluation import general
from orchestrator.execute.inference.dataset_cases import cases_in
from orchestrator.execute.inference.transcripts import read_answers
from orchestrator.execute.models.model_folder import read_sampling
from orchestrator.plan.stages.judge import JudgeSettings
from orchestrator.plan.stages.questions import BASE, TUNED
from orchestrator.recipe.sampling import ServedSampling
from orchestrator.results import Outcome, Sampled, Transcript, Verdict, json_of


def judge(settings: JudgeSettings, folder: Path) -> int:
    """Write {"verdicts", "paraphrases", "base_verdicts", "general", "general_base"}, and "sampled" if asked.

    5 when a verdict of the tuned model is no, too few sampled answers pass, or no question is judged, unless
    a target decides how many must pass. The general questions are only counted.

    The base and the paraphrases are judged by what a case expects alone, and never make it a 5: that an
    untouched model also stops and streams well says nothing of the training, and costs every answer twice.

    Raises:
        MissingError: there are no answers.
        StageFailed: the answers are not those of these cases.
    """
    repeats = RepeatsCheck(settings.repeats, settings.pass_rate)
    cases, paraphrases = repeated(cases_in(settings.cases, folder), repeats), settings.paraphrases
    sampling = _sampling(settings, folder)
    times = settings.sampled_repeats if sampling.samples else 0
    sampled_cases = as_sampled(cases_in(settings.cases, folder), times)
    answers = _read_whole(folder / settings.answers, [*cases, *paraphrases, *sampled_cases])
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
    sampled_verdicts = judge_all(sampled_cases, sampled_every(settings.every), answers)
    sampled = Sampled(sampling.words, settings.required, sampled_verdicts) if times else None
    lists = {name: [json_of(each) for each in found] for name, found in written.items()}
    more = {"sampled": sampled.to_json()} if sampled else {}
    text = json.dumps({**lists, **more}, ensure_ascii=False, indent=1)
    (folder / settings.out).write_text(text + "\n", encoding="utf-8")
    fails = Outcome.of(verdicts).fails or (sampled is not None and sampled.fails)
    return CheckFailed.exit_code if settings.decides and fails else 0


def _sampling(settings: JudgeSettings, folder: Path) -> ServedSampling:
    return read_sampling(folder / settings.export) if settings.export else ServedSampling()


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
