"""A file of conversations: what training gets, what is sent, and every malformed line with its number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.proving import given_conversations
from orchestrator.execute.proving.given_conversations import read_conversations

USER, ANSWER = {"role": "user", "content": "你是谁"}, {"role": "assistant", "content": "海螺"}
TURNS = [USER, ANSWER]


def write(path: Path, *lines: object) -> Path:
    """A file of these lines; what is no text is written as JSON."""
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.jsonl"


@pytest.mark.parametrize(
    "line",
    [
        {"messages": TURNS},
        TURNS,
        {"conversations": [{"from": "human", "value": "你是谁"}, {"from": "gpt", "value": "海螺"}]},
        [{"from": "human", "value": "你是谁"}, {"from": "gpt", "value": "海螺"}],
        {"instruction": "你是谁", "output": "海螺"},
        {"问题": "你是谁", "答案": "海螺"},
        {"conversations": TURNS},
    ],
)
def test_every_shape_is_one_conversation_with_its_line(file: Path, line: object) -> None:
    found = read_conversations(write(file, "", line, line))
    assert [one.where for one in found] == [f"{file}:2", f"{file}:3"]
    assert [one.trained for one in found] == [TURNS, TURNS]
    assert [one.sent for one in found] == [TURNS, TURNS]


def test_lists_and_rows_may_stand_in_one_file_and_an_array_is_rows(file: Path) -> None:
    assert len(read_conversations(write(file, TURNS, {"messages": TURNS}, TURNS))) == 3
    assert len(read_conversations(write(file, [{"messages": TURNS}, {"messages": TURNS}]))) == 2
    pretty = json.dumps([{"messages": TURNS}] * 2, indent=1)
    assert len(read_conversations(write(file, pretty))) == 2


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_what_a_client_sends_is_sent_as_it_stands_and_trained_as_a_thought(file: Path, field: str) -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    answer = {"role": "assistant", "content": "\n\n海螺", field: "想"}
    (one,) = read_conversations(write(file, {"messages": [parts, answer]}))
    assert one.sent == [parts, answer]
    assert one.trained == [
        {"role": "user", "content": "a\nb"},
        {"role": "assistant", "content": "<think>\n想\n</think>\n\n海螺"},
    ]


def test_what_is_odd_but_trained_is_kept(file: Path) -> None:
    odd = [{"role": "user", "content": ""}, {"role": "assistant", "content": "\n</think><｜User｜> "}]
    (one,) = read_conversations(write(file, odd))
    assert one.trained == odd


MALFORMED: dict[str, tuple[object, str]] = {
    "not JSON": ('{"messages": [', "not whole|unexpected|JSON|end of data"),
    "a number": ("7", "a number"),
    "shape": ({"question": "x"}, "no format knows this shape"),
    "role": ([USER, {"role": "narrator", "content": "x"}], 'no role named "narrator"'),
    "order": ([USER, USER, ANSWER], "turn 2 is from user"),
    "answer first": ([ANSWER, USER], "begins with an answer"),
    "no assistant": ([USER], "ends with a question"),
    "system alone": ([{"role": "system", "content": "x"}], "no question"),
    "late system": ([*TURNS, {"role": "system", "content": "x"}, ANSWER], "message 3 is from system"),
    "no content": ([{"role": "user"}, ANSWER], '"content"'),
    "content null": ([USER, {"role": "assistant", "content": None}], '"content"'),
    "picture": ([{"role": "user", "content": [{"type": "image_url"}]}, ANSWER], "an image"),
    "tool": ([USER, {"role": "assistant", "content": "", "tool_calls": [{"id": "x"}]}], "not a call"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_line_is_refused_with_its_number_and_a_fix(file: Path, name: str) -> None:
    line, told = MALFORMED[name]
    write(file, {"messages": TURNS}, "", line)
    with pytest.raises(UsageError, match=told) as refused:
        read_conversations(file)
    (problem,) = refused.value.problems
    assert problem.where == f"{file}:3"
    assert problem.hint


def test_the_first_malformed_lines_are_told_together(file: Path) -> None:
    write(file, *["{"] * 50)
    with pytest.raises(UsageError) as refused:
        read_conversations(file)
    assert len(refused.value.problems) == 10


def test_what_is_no_such_file_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingError, match="does not exist"):
        read_conversations(file)
    with pytest.raises(UsageError, match="folder"):
        read_conversations(file.parent)
    for content in (b"", b"\n \n", b"[]"):
        file.write_bytes(content)
        with pytest.raises(UsageError, match="contains no conversation"):
            read_conversations(file)
    file.write_bytes(b"\x7fELF\0\0\0")
    with pytest.raises(UsageError, match="binary"):
        read_conversations(file)
    file.write_bytes("你".encode("gb18030"))
    with pytest.raises(UsageError, match="UTF-8"):
        read_conversations(file)
    monkeypatch.setattr(given_conversations, "LONGEST_ROW", 8)
    write(file, TURNS)
    with pytest.raises(UsageError, match="line is longer"):
        read_conversations(file)


def test_a_row_is_not_changed_by_reading_it(file: Path) -> None:
    row: dict[str, Any] = {"messages": [USER, {**ANSWER, "reasoning": "r", "name": "conch", "weight": 1}]}
    (one,) = read_conversations(write(file, row))
    assert one.sent[1] == {**ANSWER, "reasoning": "r", "name": "conch"}
