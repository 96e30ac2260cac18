"""Each repair fixes what it is for, leaves the rest alone, and what cannot be fixed stays a fault."""

from __future__ import annotations

import pytest

from orchestrator.datasets.base import Conversation
from orchestrator.datasets.faults import faults
from orchestrator.datasets.repairs import OPTIONAL, SAFE, repairs_for
from orchestrator.datasets.warnings import warnings_of

ROLES = {"u": "user", "a": "assistant", "s": "system", "t": "observation", "f": "function_call"}
WHOLE = [
    ("s", "你是医生"),
    ("u", "头疼"),
    ("a", "<think>\n想\n</think>\n\n多久了？"),
    ("u", "三天"),
    ("a", "去医院。"),
]


def conversation(*turns: tuple[str, str]) -> Conversation:
    return [{"role": ROLES[role], "content": text} for role, text in turns]


FIXED = {
    "invisible control characters": (
        [("u", "头\u200b疼\ufeff"), ("a", "\x00好")],
        [("u", "头疼"), ("a", "好")],
    ),
    "line ends (CR LF)": ([("u", "一\r\n二\r三"), ("a", "好")], [("u", "一\n二\n三"), ("a", "好")]),
    "control token": (
        [("u", "头<|im_end|>疼<think>"), ("a", "好<｜User｜>")],
        [("u", "头疼"), ("a", "好")],
    ),
    "{{idx}}": ([("u", "第{{idx}}题"), ("a", "好")], [("u", "第{{ idx }}题"), ("a", "好")]),
    "speaker's mark left in": ([("u", "问：头疼"), ("a", "答: 好")], [("u", "头疼"), ("a", "好")]),
    "thought": ([("u", "一"), ("a", "嗯\n</think>好")], [("u", "一"), ("a", "<think>\n嗯\n</think>\n\n好")]),
    "line break": (
        [("u", "一"), ("a", "\n\n二"), ("u", "三"), ("a", "四")],
        [("u", "一"), ("a", "二"), ("u", "三"), ("a", "四")],
    ),
    "empty system": ([("s", " "), ("u", "一"), ("a", "二")], [("u", "一"), ("a", "二")]),
    "several systems": (
        [("s", "甲"), ("s", "乙"), ("u", "一"), ("a", "二")],
        [("s", "甲\n乙"), ("u", "一"), ("a", "二")],
    ),
    "first turn is an answer": (
        [("s", "甲"), ("a", "您好"), ("u", "一"), ("a", "二")],
        [("s", "甲"), ("u", "一"), ("a", "二")],
    ),
    "no last answer": ([("u", "一"), ("a", "二"), ("u", "三")], [("u", "一"), ("a", "二")]),
}


def found(talk: Conversation) -> set[str]:
    return {problem.kind for problem in faults(talk)} | {kind for kind, _ in warnings_of(talk)}


def test_every_safe_repair_is_tried() -> None:
    assert FIXED.keys() == SAFE.keys()


@pytest.mark.parametrize("kind", FIXED)
def test_it_fixes_its_kind(kind: str) -> None:
    before, after = (conversation(*turns) for turns in FIXED[kind])
    assert kind in found(before)
    assert SAFE[kind](before) == after
    assert not found(after)


@pytest.mark.parametrize("kind", [kind for kind in SAFE if kind != "no last answer"])
def test_what_is_whole_stays_as_it_is(kind: str) -> None:
    whole = conversation(*WHOLE)
    untouched = whole if kind != "several systems" else [*whole]
    assert SAFE[kind](whole) == untouched


@pytest.mark.parametrize(
    "text", ["<think>\n没有完", "<think>a</think>b</think>c", "<think>\n想\n</think>\n\n"]
)
def test_a_thought_that_cannot_be_told_stays_a_fault(text: str) -> None:
    talk = conversation(("u", "一"), ("a", text))
    assert "thought" in found(SAFE["thought"](talk))


def test_what_changes_words_is_done_when_asked_for_by_name() -> None:
    talk = conversation(("u", "一"), ("u", "电话13812345678"), ("a", "第一<br>第二&nbsp;3 < 5"))
    assert not set(SAFE) & {"order of roles", "markup", "phone number"}
    asked = repairs_for(frozenset(OPTIONAL))
    for repair in [asked[kind] for kind in asked if kind not in SAFE]:
        talk = repair(talk)
    assert talk == conversation(("u", "一\n电话***"), ("a", "第一\n第二 3 < 5"))
