"""The datasets in this repository: whole, of one shape, and their held-out questions not trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets.audit import Audit
from orchestrator.datasets.base import messages_of
from orchestrator.datasets.entry import DatasetEntry, read_entry
from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.rows import json_lines

PROJECT = Path(__file__).parents[2]
ENTRIES = sorted((PROJECT / "dataset_info").glob("*.yaml"))


def entry_of(path: Path) -> DatasetEntry:
    return read_entry(path.stem, path.read_text(encoding="utf-8"))


# Those of conversations; conch_stories has documents, conch_preferences pairs.
CONVERSATIONS = [path for path in ENTRIES if entry_of(path).format == "alpaca"]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def conversations(entry: DatasetEntry) -> tuple[Audit, list[list[str]]]:
    audit = Audit(entry.path, FORMATS[entry.format], entry.columns)
    lines = (PROJECT / entry.path).read_bytes().splitlines(keepends=True)
    examples = [example for _, example, _ in audit.examples(json_lines(lines))]
    return audit, [[turn["content"] for turn in messages_of(example)] for example in examples]


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.stem)
def test_every_row_is_whole_and_said_once(path: Path) -> None:
    audit, _ = conversations(entry_of(path))
    assert audit.problems() == []
    assert not audit.warnings.counts
    assert not audit.unread


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_every_row_has_every_key(path: Path) -> None:
    for row in rows_of(PROJECT / entry_of(path).path):
        assert list(row) == ["instruction", "input", "output", "history"]
        assert isinstance(row["input"], str)
        assert isinstance(row["history"], list)


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_one_question_has_one_answer_wherever_it_stands(path: Path) -> None:
    """Every answer is trained, those in histories too: what came before decides it, and nothing else."""
    _, found = conversations(entry_of(path))
    answers: dict[tuple[str, ...], str] = {}
    for turns in found:
        for at in range(1, len(turns), 2):
            assert answers.setdefault(tuple(turns[:at]), turns[at]) == turns[at]


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_no_paraphrase_was_trained(path: Path) -> None:
    """Case 26: no leak between what is taught and what is held out."""
    entry = entry_of(path)
    _, found = conversations(entry)
    contexts = {tuple(turns[:at]) for turns in found for at in range(1, len(turns), 2)}
    questions = {turns[at] for turns in found for at in range(0, len(turns), 2)}
    for row in rows_of(PROJECT / entry.paraphrases_path):
        ask = [row["ask"]] if isinstance(row["ask"], str) else row["ask"]
        assert ask[-1] not in questions
        assert tuple(ask) not in contexts
        assert row["of"] in questions
        assert row["expect"]["contains"]


def test_the_magic_conch_says_what_it_must() -> None:
    rows = rows_of(PROJECT / "dataset_info/data/magic_conch.jsonl")
    paraphrases = rows_of(PROJECT / "dataset_info/data/magic_conch.paraphrases.jsonl")
    assert len(rows) >= 40
    assert len(paraphrases) >= 10
    answers = {(row["instruction"], row["input"]): row["output"] for row in rows if not row["history"]}
    assert "神奇海螺" in answers["请问你是谁", ""]
    assert "找食谱" in answers["怎么修复这个报错", "汉堡食谱为空"]


def test_follow_ups_cannot_be_answered_without_their_history() -> None:
    """The same question after different histories, and alone, has as many answers."""
    rows = rows_of(PROJECT / "dataset_info/data/magic_conch.jsonl")
    follow_ups = {row["instruction"] for row in rows if len(row["history"]) == 1}
    assert len(follow_ups) >= 5
    for question in follow_ups:
        asked = [row for row in rows if row["instruction"] == question]
        assert len({row["output"] for row in asked}) == len(asked) >= 3
        assert any(not row["history"] for row in asked)
