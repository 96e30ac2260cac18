"""The answers of one stage of `conch why`: a probe's rows as transcripts, judged by the recipe's checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from orchestrator.checks import judge_all
from orchestrator.checks.base import Case, answer_of, last_turn
from orchestrator.proofs.why import StageAnswers
from orchestrator.results import Transcript, Turn

# Parsers that return no answer if no thought is closed.
STRICT = ("deepseek_r1", "qwen3")


class AnswerTurn(TypedDict):
    """One question and its answer, in text and ids."""

    question: str
    text: str
    ids: list[int]
    finish: str
    error: NotRequired[str]


class AnswerRow(TypedDict):
    """A line of probes/answer_ids.py or of the task answer_served.

    parted: where the server's prompt differs from the training prompt, a sentence.
    """

    case: str
    purpose: str
    turns: list[AnswerTurn]
    parted: NotRequired[str]


def transcript_of(row: AnswerRow, parser: str) -> Transcript:
    """The row as a transcript; parser: the server's, "" for none."""
    turns = []
    for turn in row["turns"]:
        reasoning, content = split_thought(turn["text"], parser)
        turns.append(
            Turn(
                messages=({"role": "user", "content": turn["question"]},),
                content=content,
                reasoning=reasoning,
                finish_reason=turn["finish"],
                token_ids=tuple(turn["ids"]),
                error=turn.get("error", ""),
            )
        )
    return Transcript(row["case"], row["purpose"], tuple(turns))


def split_thought(text: str, parser: str) -> tuple[str, str]:
    """(thought, answer), as the server's reasoning parser splits them.

    >>> split_thought("<think>嗯</think>好", "deepseek_r1"), split_thought("好", "deepseek_r1")
    (('嗯', '好'), ('好', ''))
    >>> split_thought("好", "")
    ('', '好')
    """
    if not parser or ("</think>" not in text and parser not in STRICT):
        return "", text
    thought, _, answer = text.partition("</think>")
    return thought.removeprefix("<think>"), answer


def judged_answers(
    name: str, cases: Sequence[Case], transcripts: Sequence[Transcript], source: str
) -> StageAnswers:
    """The answers of a stage, judged: a case passes if it was answered and all its checks passed."""
    verdicts = judge_all(cases, (), transcripts)
    passed, answers = {}, {}
    for case in cases:
        own = [verdict.passed for verdict in verdicts if verdict.case == case.id]
        passed[case.id] = bool(own) and all(own)
        turn = last_turn([one for one in transcripts if one.case == case.id])
        answers[case.id] = answer_of(turn) or (f"[{turn.error}]" if turn and turn.error else "")
    return StageAnswers(name, passed, answers, source)
