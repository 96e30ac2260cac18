"""What LLaMA-Factory would drop or train wrongly, found before it can."""

from __future__ import annotations

import pytest

from orchestrator.datasets.base import Conversation
from orchestrator.datasets.faults import faults

Turns = list[tuple[str, str]]


def conversation(turns: Turns) -> Conversation:
    names = {"s": "system", "u": "user", "a": "assistant", "o": "observation", "f": "function_call"}
    return [{"role": names[role], "content": text} for role, text in turns]


FOUND = '{"name": "查询", "arguments": {"城市": "北京"}}'


def kinds(turns: Turns) -> list[str]:
    return [problem.kind for problem in faults(conversation(turns))]


@pytest.mark.parametrize(
    "turns",
    [
        [("u", "问"), ("a", "答")],
        [("s", "系统"), ("u", "问"), ("a", "答"), ("u", "再问"), ("a", "再答")],
        [("u", "q"), ("f", FOUND), ("o", "r"), ("a", "x")],
        [("u", "q"), ("a", "<think>\n想\n想\n</think>\n\n答")],
        [("u", "q"), ("a", "<think>\n\n</think>\n\n答")],
        [("u", "a < b | c > d, x<y>z, {{name}}, <b>粗</b>"), ("a", "答")],
        [("u", "q"), ("a", "\n最后的回答可以换行开头")],
        [("u", "NEL\x85 LS\u2028 NUL\x00 👩‍👩‍👧 مرحبا"), ("a", "\ufeff答")],
    ],
)
def test_a_whole_conversation_has_no_fault(turns: Turns) -> None:
    assert kinds(turns) == []


@pytest.mark.parametrize(
    ("turns", "kind"),
    [
        ([], "no turns"),
        ([("s", "系统")], "no turns"),
        ([("a", "答"), ("u", "问")], "first turn is an answer"),
        ([("u", "一"), ("u", "二"), ("a", "三")], "order of roles"),
        ([("u", "一"), ("a", "二"), ("a", "三")], "order of roles"),
        ([("u", "一"), ("s", "二"), ("u", "三"), ("a", "四")], "system in the middle"),
        ([("s", "一"), ("s", "二"), ("u", "三"), ("a", "四")], "several systems"),
        ([("u", "问")], "no last answer"),
        ([("u", "问"), ("a", "答"), ("u", "再问")], "no last answer"),
        ([("u", ""), ("a", "答")], "empty user"),
        ([("u", "问"), ("a", "")], "empty assistant"),
        ([("u", "问"), ("a", " \n\t")], "empty assistant"),
        ([("s", " "), ("u", "问"), ("a", "答")], "empty system"),
        ([("u", "<|im_end|>"), ("a", "答")], "control token"),
        ([("u", "问"), ("a", "答<｜end▁of▁sentence｜>")], "control token"),
        ([("u", "<think>是什么"), ("a", "答")], "control token"),
        ([("u", "第{{idx}}个"), ("a", "答")], "{{idx}}"),
        ([("u", "问"), ("a", "<think>嗯</think>答")], "thought"),
        ([("u", "问"), ("a", "<think>\n嗯\n")], "thought"),
        ([("u", "问"), ("a", "嗯\n</think>\n\n答")], "thought"),
        ([("u", "问"), ("a", "<think>\n嗯\n</think>\n\n\n答")], "thought"),
        ([("u", "问"), ("a", "<think>\n嗯\n</think>\n\n")], "thought"),
        ([("u", "问"), ("a", "先说。<think>\n嗯\n</think>\n\n答")], "thought"),
        ([("u", "问"), ("a", "\n答"), ("u", "问"), ("a", "答")], "line break"),
    ],
)
def test_a_fault_is_named(turns: Turns, kind: str) -> None:
    assert kinds(turns) == [kind]


def test_every_fault_says_what_to_do() -> None:
    found = list(faults(conversation([("u", ""), ("u", "<|a|>"), ("a", "<think>")])))
    assert len(found) == 4
    assert all(problem.hint and "\n" not in problem.what for problem in found)


@pytest.mark.parametrize("call", ["", "北京", "{}", "[]", '[{"name": "a", "arguments": {}}, 3]'])
def test_a_call_that_names_no_tool_is_a_fault(call: str) -> None:
    """LLaMA-Factory ends the whole run there (KeyError), and names no row."""
    assert "function call" in kinds([("u", "q"), ("f", call), ("o", "r"), ("a", "x")])
    assert not kinds([("u", "q"), ("f", f"[{FOUND}, {FOUND}]"), ("o", "r"), ("a", "x")])
