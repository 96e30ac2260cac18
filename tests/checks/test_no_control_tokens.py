"""clean: control tokens, broken and garbled characters, role labels; and no false alarm on real text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks import no_control_tokens
from orchestrator.checks.no_control_tokens import CHECK
from tests.checks.room import CASE, FOLLOW_UP, said, turn


def byte_alphabet() -> dict[int, str]:
    """GPT-2's bytes_to_unicode: how a byte-level tokenizer spells the bytes that it does not decode."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in shown}
    hidden = (byte for byte in range(256) if byte not in table)
    return table | {byte: chr(256 + number) for number, byte in enumerate(hidden)}


ALPHABET = byte_alphabet()


def garbled(text: str) -> str:
    return "".join(ALPHABET[byte] for byte in text.encode())


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1))
def test_chinese_is_clean_and_its_raw_bytes_are_not(text: str) -> None:
    assert no_control_tokens.leak(text) == ""
    assert "garbled" in no_control_tokens.leak(garbled(text))


@given(st.lists(st.text("abcdefghijklmnopqrstuvwxyz,.", min_size=1), min_size=2))
def test_english_is_clean_and_its_raw_tokens_are_not(words: list[str]) -> None:
    assert no_control_tokens.leak(" ".join(words)) == ""
    assert "garbled" in no_control_tokens.leak(garbled(" ".join(words)))


@pytest.mark.parametrize("text", ["🦀", "Привет, мир", "我", "你好\n我", "a é", "日本語です"])
def test_raw_bytes_of_other_texts_are_garbled(text: str) -> None:
    assert "garbled" in no_control_tokens.leak(garbled(text))


def test_a_garbled_first_character_is_found() -> None:
    """What vLLM says when the first token is part of a character and it keeps special tokens in the text."""
    assert "garbled" in no_control_tokens.leak("æĪ是神奇海螺")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "我是神奇海螺。",
        "\n\n北京。",
        "Hello, world",
        "Привет",
        "café «à la» naïve Ünïcödé",
        "kráľ. Łódź, stół; žluťoučký kůň",
        "Ġurnata tajba, Ċentru",
        "Māori, Łukasz, İstanbul, Åsa",
        "🦀👩‍🍳",
        "a < b | c > d, <b>bold</b>, x<|y, <3",
        "The assistant said:\nyes",
        "if a <= b: return [INSTALL]",
    ],
)
def test_real_text_is_clean(text: str) -> None:
    assert no_control_tokens.leak(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "好<｜end▁of▁sentence｜>",
        "<｜Assistant｜>好",
        "<|im_end|>",
        "<|endoftext|>",
        "好</s>",
        "[INST] x",
        "<<SYS>>",
        "<end_of_turn>",
    ],
)
def test_control_tokens_leak(text: str) -> None:
    assert "control token" in no_control_tokens.leak(text)
    assert "control token" in no_control_tokens.leak(text, thinking=True)


@pytest.mark.parametrize("text", ["<think>", "嗯</think>\n\n好"])
def test_think_tags_leak_into_answers_only(text: str) -> None:
    assert "think>" in no_control_tokens.leak(text)
    assert no_control_tokens.leak(text, thinking=True) == ""


def test_other_leaks() -> None:
    assert "U+FFFD" in no_control_tokens.leak("我\ufffd是")
    assert "role label" in no_control_tokens.leak("assistant\n我是神奇海螺")
    assert "role label" in no_control_tokens.leak("\n Assistant:\n好")


def test_every_turn_and_the_streamed_answer_count() -> None:
    assert CHECK.judge(FOLLOW_UP, True, said("a", "b")).passed
    first = CHECK.judge(FOLLOW_UP, True, said("a<|im_end|>", "b"))
    assert first.reason == 'turn 1: in the answer, the control token "<|im_end|>" leaked'
    streamed = CHECK.judge(CASE, True, said(turn("a", streamed=True, streamed_content="a\ufffd")))
    assert "in the streamed answer" in streamed.reason
    thought = CHECK.judge(CASE, True, said(turn("a", reasoning="<｜User｜>")))
    assert "in the thinking" in thought.reason


def test_no_answer_is_not_clean() -> None:
    assert CHECK.judge(CASE, True, said(turn(error="no whole answer"))).reason == "turn 1: no whole answer"
    assert not CHECK.judge(CASE, True, []).passed
    assert CHECK.problem("x")
    assert CHECK.problem(True) is None
