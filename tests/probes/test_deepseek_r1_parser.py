"""The fixed deepseek_r1: an earlier turn's </think> is not this one's. vLLM itself is a stub here."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PROBE = Path(__file__).parents[2] / "orchestrator" / "probes" / "deepseek_r1_parser.py"
ASSISTANT, START, END, TEXT = 1, 2, 3, 9


class Stock:
    """As much of vLLM 0.32's parser as the plug-in stands on."""

    start_token, start_token_id, end_token_id = "<think>", START, END
    vocab = {"<｜Assistant｜>": ASSISTANT}  # noqa: RUF012  as vLLM has it

    def is_reasoning_end(self, input_ids: Sequence[int]) -> bool:
        last = next((each for each in reversed(input_ids) if each in (START, END)), START)
        return last == END

    def extract_reasoning_streaming(self, *pieces: Any) -> Any:
        delta_text = pieces[2]
        return SimpleNamespace(reasoning=delta_text) if delta_text else None


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Any:
    registered: dict[str, Any] = {}
    reasoning, stock = ModuleType("vllm.reasoning"), ModuleType("vllm.reasoning.deepseek_r1_reasoning_parser")

    def register_module(name: str, *, module: Any) -> None:
        registered[name] = module

    vars(reasoning)["ReasoningParserManager"] = SimpleNamespace(register_module=register_module)
    vars(stock)["DeepSeekR1ReasoningParser"] = Stock
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    monkeypatch.setitem(sys.modules, reasoning.__name__, reasoning)
    monkeypatch.setitem(sys.modules, stock.__name__, stock)
    runpy.run_path(str(PROBE))
    return registered["deepseek_r1"]()


@pytest.mark.parametrize(
    ("prompt", "ended"),
    [
        ([TEXT, ASSISTANT], False),
        ([TEXT, ASSISTANT, START, END, TEXT, ASSISTANT], False),
        ([TEXT, ASSISTANT, START], False),
        ([TEXT, ASSISTANT, START, END], True),
        ([TEXT, ASSISTANT, START, END, TEXT, ASSISTANT, START, END], True),
        ([START, END], True),
        ([], False),
    ],
    ids=["first", "follow-up", "opened", "thought given", "thought given later", "no marker", "nothing"],
)
def test_only_the_last_turn_counts(parser: Any, prompt: list[int], *, ended: bool) -> None:
    assert parser.is_reasoning_end(prompt) is ended


def test_the_stock_parser_takes_an_earlier_turns_end_for_this_ones() -> None:
    assert Stock().is_reasoning_end([TEXT, ASSISTANT, START, END, TEXT, ASSISTANT])


@pytest.mark.parametrize(
    ("text", "ids", "thinking"),
    [
        ("<think>\n\n", [START, TEXT], "\n\n"),
        ("我想", [TEXT], "我想"),
        ("\n\n", [START, TEXT], "\n\n"),
        ("", [START], None),
    ],
)
def test_the_opening_tag_is_no_thinking(parser: Any, text: str, ids: list[int], thinking: str | None) -> None:
    piece = parser.extract_reasoning_streaming("", text, text, [], ids, delta_token_ids=ids)
    assert getattr(piece, "reasoning", None) == thinking
