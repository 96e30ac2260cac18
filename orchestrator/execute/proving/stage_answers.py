"""The answers of one arm of `conch why`: a probe's rows as transcripts, and what the recipe's checks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.checks import judge_all
from orchestrator.checks.base import Case, answer_of, last_turn
from orchestrator.proofs import why as fold
from orchestrator.results import Transcript, Turn

# Parsers to which an answer that closes no thought is no answer.
STRICT = ("deepseek_r1", "qwen3")


def transcript_of(row: Mapping[str, Any], parser: str) -> Transcript:
    """A row of probes/answer_ids.py or of answer_served; parser: the server's, "" for none."""
    turns = []
    for turn in row["turns"]:
        reasoning, content = split_thought(turn["text"], parser)
        asked = ({"role": "user", "content": turn["question"]},)
        told = {"finish_reason": turn["finish"], "error": turn.get("error", "")}
        turns.append(Turn(asked, content, reasoning, token_ids=tuple(turn["ids"]), **told))
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


def arm_of(
    name: str, cases: Sequence[Case], transcripts: Sequence[Transcript], source: str
) -> fold.StageAnswers:
    """The arm, judged: a case passes when it was answered and every check of it passed."""
    passed = {case.id: False for case in cases}
    judged = judge_all(cases, (), transcripts)
    for case in passed:
        verdicts = [verdict for verdict in judged if verdict.case == case]
        passed[case] = bool(verdicts) and all(verdict.passed for verdict in verdicts)
    mine = {case: [one for one in transcripts if one.case == case] for case in passed}
    answers = {case: _said(told) for case, told in mine.items()}
    return fold.StageAnswers(name, passed, answers, source)


def _said(transcripts: Sequence[Transcript]) -> str:
    turn = last_turn(transcripts)
    return answer_of(turn) or (f"[{turn.error}]" if turn and turn.error else "")
