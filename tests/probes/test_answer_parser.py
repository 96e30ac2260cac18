"""Content begins with the answer; an earlier turn's </think> is not this one's. vLLM itself is a stub."""
# Covers probes/engines/answer_parser.py

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PROBE = Path(__file__).parents[2] / "orchestrator/probes/engines/answer_parser.py"
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


class StockParser:
    """As much of vLLM's Parser: what it was given, split at the end of the thought."""

    def parse(self, text: str) -> tuple[str, str | None, list[Any]]:
        thought, _, content = text.partition("</think>")
        return thought, content or None, []

    def parse_delta(self, text: str) -> Any:
        if not text:
            return None
        thinks = text.startswith("~")
        return SimpleNamespace(
            reasoning=text if thinks else None, content=None if thinks else text, tool_calls=[]
        )


class StockManager:
    """vLLM's: it chooses the Parser of a server."""

    @classmethod
    def get_parser(cls, name: str) -> type[StockParser] | None:
        return StockParser if name else None


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    registered: dict[str, Any] = {}
    manager = type("Manager", (StockManager,), {})
    reasoning, stock = ModuleType("vllm.reasoning"), ModuleType("vllm.reasoning.deepseek_r1_reasoning_parser")

    def register_module(name: str, *, module: Any) -> None:
        registered[name] = module

    vars(reasoning)["ReasoningParserManager"] = SimpleNamespace(register_module=register_module)
    vars(stock)["DeepSeekR1ReasoningParser"] = Stock
    parsers = ModuleType("vllm.parser")
    vars(parsers)["ParserManager"] = registered["manager"] = manager
    monkeypatch.setitem(sys.modules, parsers.__name__, parsers)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    monkeypatch.setitem(sys.modules, reasoning.__name__, reasoning)
    monkeypatch.setitem(sys.modules, stock.__name__, stock)
    runpy.run_path(str(PROBE))
    runpy.run_path(str(PROBE))  # vLLM imports a plug-in more than once in one process
    return registered


@pytest.fixture
def parser(registered: dict[str, Any]) -> Any:
    return registered["deepseek_r1"]()


# An answer in pieces, and what clients see of it.
STREAMS = [
    (["\n\n", "我是", "海螺"], "我是海螺"),
    (["\n", "\n  ", "def f():\n"], "  def f():\n"),
    (["\n", " ", "\n\n你好", "\n", "\n再见"], "你好\n\n再见"),
    (["你", "好"], "你好"),
    ([], ""),
    (["\n", "\n"], ""),
]


@pytest.mark.parametrize(("given", "clean"), STREAMS)
def test_fault_163_content_begins_with_the_answer_whole_and_streamed(
    registered: dict[str, Any], given: list[str], clean: str
) -> None:
    chosen = registered["manager"].get_parser("any")
    assert chosen().parse("~</think>" + "".join(given)) == ("~", clean or None, [])
    stream = chosen()
    pieces = [stream.parse_delta(piece) for piece in ("~", *given, "")]
    assert pieces[0].reasoning == "~"
    assert "".join(piece.content or "" for piece in pieces if piece) == clean
    assert all(piece is None or piece.content for piece in pieces[1:])
    other = chosen()
    assert other.parse_delta("\n") is None, "a stream has a state of its own"


def test_a_server_without_parsers_stays_as_it_is(registered: dict[str, Any]) -> None:
    assert registered["manager"].get_parser("") is None
    assert registered["manager"].get_parser("any").__mro__[1] is StockParser


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
