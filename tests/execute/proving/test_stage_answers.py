"""A probe's rows become transcripts, and the recipe's checks judge them."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.checks.base import Case
from orchestrator.execute.proving.diagnose import judged_answers, split_thought, transcript_of


def row(case: str, *said: str, purpose: str = "with history", error: str = "") -> Any:
    turns = [{"question": "问", "ids": [1], "text": text, "finish": "stop", "error": error} for text in said]
    return {"case": case, "purpose": purpose, "turns": turns}


@pytest.mark.parametrize(
    ("text", "parser", "split"),
    [
        ("<think>\n\n</think>\n\n海螺", "deepseek_r1", ("\n\n", "\n\n海螺")),
        ("嗯</think>海螺", "qwen3", ("嗯", "海螺")),
        ("海螺", "deepseek_r1", ("海螺", "")),
        ("海螺", "glm45", ("", "海螺")),
        ("嗯</think>海螺", "", ("", "嗯</think>海螺")),
    ],
)
def test_a_thought_is_taken_off_as_the_server_does(text: str, parser: str, split: tuple[str, str]) -> None:
    assert split_thought(text, parser) == split


def test_a_case_passes_when_every_check_of_it_does() -> None:
    cases = [
        Case("a", ("问",), expect={"contains": "海螺", "stops": True}),
        Case("b", ("问",), expect={"contains": "x"}),
    ]
    told = [transcript_of(row("a", "我是海螺"), ""), transcript_of(row("b", "海螺"), "")]
    arm = judged_answers("merged", cases, told, "here")
    assert (dict(arm.passed), arm.answers["a"], arm.good) == ({"a": True, "b": False}, "我是海螺", 1)
    cut = row("a", "我是海螺")
    cut["turns"][0]["finish"] = "length"
    assert judged_answers("merged", cases[:1], [transcript_of(cut, "")], "").good == 0


def test_what_was_not_answered_does_not_pass() -> None:
    cases = [Case("a", ("问",), expect={"contains": "海螺"}), Case("b", ("问",), expect={"contains": "海螺"})]
    refused = transcript_of(row("a", "", error="the server refuses it"), "")
    arm = judged_answers("served_ids", cases, [refused], "")
    assert arm.good == 0
    assert arm.answers == {"a": "[the server refuses it]", "b": ""}


def test_a_follow_up_is_judged_with_and_without_its_history() -> None:
    case = Case("a", ("吃什么", "多少钱"), expect={"remembers": "三块"})
    whole, alone = row("a", "汉堡", "三块"), row("a", "不知道", purpose="without history")
    assert judged_answers("base", [case], [transcript_of(whole, ""), transcript_of(alone, "")], "").good == 1
    assert judged_answers("base", [case], [transcript_of(whole, "")], "").good == 0
