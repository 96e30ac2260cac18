"""vLLM's own ids against LLaMA-Factory's own: with Conch's templates equal, with official ones not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from orchestrator.execute import embedded
from orchestrator.templates.writer import HISTORY, THINKING
from tests.probes.run_folder import RunFolder, turns

Probe = Callable[[str], ModuleType]
ROWS = [
    turns("请问你是谁", "我是神奇海螺。"),
    turns("你是谁", "海螺。", "它几点开门？", "十点。", "And then?", "Ask again."),
    [{"role": "system", "content": "你是海螺"}, *turns("hi", "def f():\n    return 1")],
]


def message(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def test_what_clients_send_back(probe: Probe) -> None:
    spellings = probe("serving_ids").SPELLINGS
    thought = "<think>\n想\n</think>\n\n答"
    told = {name: spell(message(thought)) for name, spell in spellings.items()}
    assert told["thought"] == told["emitted"] == message(thought)
    assert told["answer"] == message("答")
    assert told["newlines"] == message("\n\n答")
    assert told["reasoning"] == message("\n\n答") | {"reasoning": "\n想\n"}
    assert told["trimmed"] == message("答") | {"reasoning": "想"}


def test_what_clients_send_back_of_an_answer_without_a_thought(probe: Probe) -> None:
    spellings = probe("serving_ids").SPELLINGS
    told = {name: spell(message("答")) for name, spell in spellings.items()}
    assert told["thought"] == told["answer"] == message("答")
    assert told["reasoning"] == message("\n\n答") | {"reasoning": "\n\n"}
    assert told["trimmed"] == message("答") | {"reasoning": ""}
    assert told["emitted"] == message("<think>\n\n</think>\n\n答")


def test_the_trained_answers_are_asked_for_or_all(probe: Probe) -> None:
    wanted = probe("serving_ids").wanted
    assert list(wanted({"messages": ROWS[1]})) == [0, 1, 2]
    assert list(wanted({"messages": ROWS[1], "turns": [{"turn": 2}]})) == [2]


@pytest.fixture
def folder(tmp_path: Path, train_python: Path, serve_python: Path) -> RunFolder:
    return RunFolder(tmp_path / "run", train_python, serve_python)


@pytest.mark.real
def test_the_embedded_base_is_asked_as_it_was_taught(folder: RunFolder) -> None:
    folder.lay_out(embedded.ensure_embedded(print), ROWS)
    assert folder.train_ids().returncode == 0
    found = folder.parity()
    assert found["holds"], found["first_difference"]
    assert found["counts"]["equal"] > 30
    assert found["left_out"]["dropped_thoughts"] > 0
    assert found["tokenizers"] == {"train": "TokenizersBackend", "serve": "TokenizersBackend"}


@pytest.mark.real
@pytest.mark.parametrize("history", HISTORY)
@pytest.mark.parametrize("thinking", THINKING)
def test_the_genuine_r1_tokenizer_is_asked_as_it_was_taught(
    folder: RunFolder, reference: Path, thinking: str, history: str
) -> None:
    folder.lay_out(reference / "tokenizer-r1-distill-qwen", ROWS, thinking, history)
    done = folder.train_ids()
    assert done.returncode == 0, done.stderr
    found = folder.parity()
    assert found["holds"], found["first_difference"]


@pytest.mark.real
def test_the_official_r1_templates_ask_otherwise(folder: RunFolder, reference: Path) -> None:
    folder.lay_out(reference / "tokenizer-r1-distill-qwen", ROWS)
    assert folder.train_ids().returncode == 0
    original = folder.parity(str(reference / "official" / "r1-distill-original.jinja"))
    first = original["first_difference"]
    assert (first["row"], first["turn"], first["verdict"]) == (1, 1, "differs")
    assert "⟦<think>⟧\n\n</think>\n\n海螺。" in first["training_text"]
    assert "removes an earlier answer's" in first["explanation"]
    newer = folder.parity(str(reference / "official" / "r1-distill-newer.jinja"))
    first = newer["first_difference"]
    assert (first["row"], first["turn"], first["verdict"]) == (0, 0, "forced")
    assert (first["training_id"], first["served_id"]) == (271, 198)


BAD: dict[str, tuple[str, str]] = {
    "syntax": ("line one\n{% if %}", ":2"),
    "endless": ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", ""),
}


@pytest.mark.real
@pytest.mark.parametrize(("text", "where"), BAD.values(), ids=BAD)
def test_a_bad_template_is_refused(folder: RunFolder, text: str, where: str) -> None:
    folder.lay_out(embedded.ensure_embedded(print), ROWS)
    (folder.path / "bad.jinja").write_text(text, encoding="utf-8")
    row = json.dumps({"dataset": "mine", "row": 0, "messages": ROWS[0]}, ensure_ascii=False)
    (folder.path / "training_ids.jsonl").write_text(row + "\n", encoding="utf-8")
    assert folder.serve_ids("bad.jinja").returncode == 2
    assert folder.problems()[0]["where"].endswith(where)
    assert not (folder.path / "serving_ids.jsonl").exists()
