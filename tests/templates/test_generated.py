from __future__ import annotations

import pytest

from orchestrator.templates.generated import MARKED, WHITE, generated_conversations
from orchestrator.templates.writer import THOUGHT_CLOSES, THOUGHT_OPENS


def test_the_same_seed_makes_the_same_conversations() -> None:
    assert generated_conversations(1, 60, thoughts=True) == generated_conversations(1, 60, thoughts=True)
    assert generated_conversations(1, 60, thoughts=True) != generated_conversations(2, 60, thoughts=True)


@pytest.mark.parametrize("thoughts", [True, False])
def test_every_shape_is_there(*, thoughts: bool) -> None:
    conversations = generated_conversations(0, 60, thoughts)
    assert len(conversations) == 60
    systems = [conversation[0]["role"] == "system" for conversation in conversations]
    assert any(systems)
    assert not all(systems)
    bodies = [conversation[first:] for conversation, first in zip(conversations, systems, strict=True)]
    assert {len(body) // 2 for body in bodies} == {1, 2, 3, 4}
    for body in bodies:
        assert [message["role"] for message in body] == ["user", "assistant"] * (len(body) // 2)
    text = "".join(message["content"] for conversation in conversations for message in conversation)
    assert all(part in text for part in ("蟹堡", "🦀", "def grill", "\t", "\n\n\n"))


def test_answers_are_reachable_and_thoughts_as_asked() -> None:
    def answers(*, thoughts: bool) -> list[str]:
        made = generated_conversations(3, 200, thoughts)
        return [m["content"] for conversation in made for m in conversation if m["role"] == "assistant"]

    thoughtful = [answer.startswith(THOUGHT_OPENS) for answer in answers(thoughts=True)]
    assert any(thoughtful)
    assert not all(thoughtful)
    assert not any("think>" in answer for answer in answers(thoughts=False))
    for answer in answers(thoughts=True):
        words = answer.split(THOUGHT_CLOSES)[-1]
        assert words == words.lstrip()
        assert "think>" not in words


def said(role: str, *, thoughts: bool = True, odd: bool = False) -> set[str]:
    """Every text of a role in 500 conversations."""
    made = generated_conversations(0, 500, thoughts, odd=odd)
    return {m["content"] for conversation in made for m in conversation if m["role"] == role}


CONTROL = ("<|im_end|>", "<|im_start|>", "<｜User｜>", "<｜end▁of▁sentence｜>", "<|eot_id|>", "{{idx}}")


def test_what_users_type_holds_every_familys_marks_and_nothing_at_all() -> None:
    asked = said("user", thoughts=False)
    assert {"", " ", "\n\n", "<think>x</think>"} <= asked
    assert all(mark in " ".join(asked) for mark in (*CONTROL, "</think>"))
    assert all(mark in " ".join(said("assistant", thoughts=False)) for mark in CONTROL)
    assert "" in said("system")
    assert "" in said("assistant", thoughts=False)


def test_odd_answers_only_where_they_are_asked_for() -> None:
    assert {*WHITE, *MARKED} <= said("assistant", odd=True)
    without = said("assistant", thoughts=False, odd=True)
    assert set(WHITE) <= without
    assert not any("think>" in answer for answer in without)
    assert not said("assistant") & {*WHITE, *MARKED}
