"""The written templates, rendered as a server renders them. The ids are proven in tests/probes."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orchestrator.errors import UsageError
from orchestrator.templates.families import layout_of, layouts
from orchestrator.templates.writer import (
    EMPTY_THOUGHT,
    HISTORY,
    THINKING,
    History,
    Thinking,
    write_jinja,
)

BOS, EOS, USER, ASSISTANT = "<bos>", "<eos>", "<｜User｜>", "<｜Assistant｜>"
THOUGHT = "<think>\n想一想\n\n再想\n</think>\n\n"


@cache
def compiled(text: str) -> Template:
    def refuse(sentence: str) -> None:
        raise TemplateError(sentence)

    world = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    world.globals["raise_exception"] = refuse
    return world.from_string(text)


def rendered(text: str, messages: list[dict[str, Any]], **more: Any) -> str:
    given_to_it = {"bos_token": BOS, "eos_token": EOS, "add_generation_prompt": True} | more
    return compiled(text).render(messages=messages, **given_to_it)


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content} | more


def asked(history: dict[str, Any], thinking: Thinking, keep: History, **more: Any) -> str:
    messages = [said("user", "一"), history, said("user", "二")]
    return rendered(write_jinja("deepseekr1", thinking, keep), messages, **more)


def prompt(history: str, end: str = "") -> str:
    return f"{BOS}{USER}一{ASSISTANT}{history}{EOS}{USER}二{ASSISTANT}{end}"


# What a client sends back for an answer that was trained without a thought.
BARE = [
    said("assistant", "答"),
    said("assistant", "\n\n答"),
    said("assistant", "\n\n答", reasoning="\n\n"),
    said("assistant", "答", reasoning=""),
    said("assistant", "\n\n答", reasoning_content="\n\n"),
    said("assistant", EMPTY_THOUGHT + "答"),
    said("assistant", "答", reasoning=None, reasoning_content=None),
]
# And for one that was trained with it.
THOUGHTFUL = [
    said("assistant", THOUGHT + "答"),
    said("assistant", "\n\n答", reasoning="\n想一想\n\n再想\n"),
    said("assistant", "答", reasoning="想一想\n\n再想"),
    said("assistant", "答", reasoning_content="想一想\n\n再想"),
]


@pytest.mark.parametrize("history", BARE)
def test_an_answer_without_a_thought_is_told_alike_however_it_comes_back(history: dict[str, Any]) -> None:
    assert asked(history, "on", "keep") == prompt(EMPTY_THOUGHT + "答")
    assert asked(history, "off", "keep") == prompt(EMPTY_THOUGHT + "答", EMPTY_THOUGHT)
    assert asked(history, "mixed", "keep") == prompt(EMPTY_THOUGHT + "答")
    assert asked(history, "on", "strip") == prompt("答")
    assert asked(history, "off", "strip") == prompt("答", EMPTY_THOUGHT)


@pytest.mark.parametrize("history", THOUGHTFUL)
def test_a_thought_is_kept_or_stripped_however_it_comes_back(history: dict[str, Any]) -> None:
    assert asked(history, "on", "keep") == prompt(THOUGHT + "答")
    assert asked(history, "mixed", "keep") == prompt(THOUGHT + "答")
    assert asked(history, "on", "strip") == prompt("答")
    assert asked(history, "off", "keep") == prompt(EMPTY_THOUGHT + "答", EMPTY_THOUGHT)


def test_mixed_thinking_follows_the_request() -> None:
    history = said("assistant", "答")
    assert asked(history, "mixed", "strip", enable_thinking=False) == prompt("答", EMPTY_THOUGHT)
    assert asked(history, "mixed", "strip", enable_thinking=True) == prompt("答")
    assert asked(history, "on", "strip", enable_thinking=False) == prompt("答"), "it was trained to think"


def test_a_whole_trained_row_can_be_rendered_too() -> None:
    row = [said("user", "一"), said("assistant", THOUGHT + "答")]
    text = write_jinja("deepseekr1", "on", "strip")
    assert rendered(text, row, add_generation_prompt=False) == f"{BOS}{USER}一{ASSISTANT}{THOUGHT}答{EOS}"


def test_qwen3_has_its_own_marks() -> None:
    messages = [said("system", "海螺"), said("user", "一"), said("assistant", "答"), said("user", "二")]
    start, end = "<|im_start|>", "<|im_end|>\n"
    assert rendered(write_jinja("qwen3", "off", "keep"), messages) == (
        f"{start}system\n海螺{end}{start}user\n一{end}{start}assistant\n{EMPTY_THOUGHT}答{end}"
        f"{start}user\n二{end}{start}assistant\n{EMPTY_THOUGHT}"
    )


@pytest.mark.parametrize("system", ["", None])
def test_an_empty_system_message_is_none(system: str | None) -> None:
    text = write_jinja("deepseekr1", "on", "keep")
    assert rendered(text, [said("system", system), said("user", "一")]) == f"{BOS}{USER}一{ASSISTANT}"


def test_the_trainers_number_of_a_turn() -> None:
    text = write_jinja("deepseekr1", "on", "strip")
    messages = [said("user", "{{idx}}"), said("assistant", "{{idx}}"), said("user", "{{idx}} {{idx}}")]
    assert rendered(text, messages) == (
        f"{BOS}{USER}0{ASSISTANT}{{{{idx}}}}{EOS}{USER}1 {{{{idx}}}}{ASSISTANT}"
    )


REFUSED: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
    ([said("critic", "42")], {}, "role critic"),
    ([said("user", [{"type": "text", "text": "一"}])], {}, "text alone"),
    ([said("user", "一"), said("system", "late")], {}, "system message"),
]


@pytest.mark.parametrize(("messages", "more", "words"), REFUSED, ids=lambda value: str(value)[:20])
def test_what_was_never_trained_is_refused(
    messages: list[dict[str, Any]], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(TemplateError, match=words):
        rendered(write_jinja("deepseekr1", "on", "keep"), messages, **more)


@given(
    pieces=st.lists(
        st.sampled_from(["<think>\n", "\n</think>\n\n", "<think>", "</think>", "\n", "神", "a b", " "]),
        max_size=8,
    )
)
@settings(max_examples=300, deadline=None)
def test_thoughts_are_removed_as_the_trainer_removes_them(pieces: list[str]) -> None:
    answer = "".join(pieces)
    # LLaMA-Factory 0.9.5, Template.remove_thought, word for word.
    pattern = re.compile(
        f"{re.escape('<think>' + chr(10))}(.*?){re.escape(chr(10) + '</think>' + chr(10) * 2)}", re.DOTALL
    )
    trained = re.sub(pattern, "", answer).lstrip("\n")
    assert asked(said("assistant", answer), "on", "strip") == prompt(trained)
    empty = "" if "<think>" in trained or "</think>" in trained else EMPTY_THOUGHT
    assert asked(said("assistant", answer), "off", "keep") == prompt(empty + trained, EMPTY_THOUGHT)


# The trainer's default_system of those templates that have one, word for word.
DEFAULT = {
    "qwen": "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    "smollm2": "You are a helpful AI assistant named SmolLM, trained by Hugging Face.",
}
CHATML = ("<|im_start|>{role}\n", "<|im_end|>\n", "")
# Opening and closing of a message, and of a conversation.
MARKS = {
    "deepseek3": None,
    "qwen": CHATML,
    "qwen3_nothink": CHATML,
    "chatml": CHATML,
    "smollm2": CHATML,
    "llama3": ("<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>", BOS),
}


def plain(training: str, messages: list[tuple[str, str]]) -> str:
    """What the trainer's plain Template makes of a conversation that is asked on."""
    system = messages[0][1] if messages[0][0] == "system" else ""
    body = messages[1:] if messages[0][0] == "system" else messages
    marks = MARKS[training]
    if marks is None:
        said = {"user": f"{USER}{{}}{ASSISTANT}", "assistant": f"{{}}{EOS}"}
        return BOS + system + "".join(said[role].format(text) for role, text in body)
    opens, closes, prefix = marks
    system = system or DEFAULT.get(training, "")
    told = [("system", system)] * bool(system) + body
    written = [opens.format(role=role) + text + closes for role, text in told]
    return prefix + "".join(written) + opens.format(role="assistant")


ODD = ["答", "\n\n答", " 答 ", "", "<think>x</think>y", THOUGHT + "答", "a</think>b", EMPTY_THOUGHT + "答"]


@pytest.mark.parametrize("system", [None, "", "海螺\n"])
@pytest.mark.parametrize("training", sorted(MARKS))
def test_a_plain_template_takes_every_answer_as_it_is(training: str, system: str | None) -> None:
    text = write_jinja(training, "on", "keep")
    start = [] if system is None else [("system", system)]
    for answer in ODD:
        messages = [*start, ("user", "一"), ("assistant", answer), ("user", "二")]
        asked_for = rendered(text, [said(*message) for message in messages])
        assert asked_for == plain(training, messages)


@pytest.mark.parametrize("training", sorted(MARKS))
def test_a_plain_template_is_one_for_all_settings(training: str) -> None:
    texts = {write_jinja(training, thinking, history) for thinking in THINKING for history in HISTORY}
    assert texts == {write_jinja(training, "any", "any")}


def test_a_plain_template_puts_a_parsed_thought_back() -> None:
    text = write_jinja("deepseek3", "any", "any")
    for sent in THOUGHTFUL:
        messages = [said("user", "一"), sent, said("user", "二")]
        assert rendered(text, messages) == prompt(THOUGHT + "答")
    empty = said("assistant", "答", reasoning="", reasoning_content=None)
    assert rendered(text, [said("user", "一"), empty, said("user", "二")]) == prompt("答")


@pytest.mark.parametrize("history", HISTORY)
@pytest.mark.parametrize("thinking", THINKING)
@pytest.mark.parametrize("training", sorted(layouts()))
def test_the_first_line_says_what_wrote_it_and_for_what(
    training: str, thinking: Thinking, history: History
) -> None:
    first = write_jinja(training, thinking, history).splitlines()[0]
    assert first.startswith("{#- Written by Conch (orchestrator/templates/writer.py)")
    told = ("any", "any") if training in MARKS else (thinking, history)
    assert all(word in first for word in (training, f"thinking {told[0]}", f"history {told[1]}"))


def test_an_unknown_training_template_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="'deepseek_r1'") as caught:
        layout_of("deepseek_r1")
    assert caught.value.problems[0].hint == (
        "use one of chatml, deepseek3, deepseekr1, llama3, qwen, qwen3, qwen3_nothink, smollm2"
    )
    with pytest.raises(UsageError, match="can be written for 'any'"):
        write_jinja("qwen3", "any", "keep")
    with pytest.raises(UsageError, match="on, off, mixed"):
        write_jinja("qwen3", "yes", "keep")  # type: ignore[arg-type]  # what a recipe might hold
