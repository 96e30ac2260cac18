"""answers.jsonl: what is written is what is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks.base import WITH_HISTORY
from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.inference.transcripts import line_of, read_answers, transcript_of
from orchestrator.results import Transcript, Turn

TEXTS = st.text(max_size=20)
IDS = st.lists(st.integers(0), max_size=3).map(tuple)
TURNS = st.builds(
    Turn,
    st.lists(st.fixed_dictionaries({"role": TEXTS, "content": TEXTS}), max_size=3).map(tuple),
    TEXTS,
    TEXTS,
    token_ids=IDS,
    streamed=st.booleans(),
    streamed_content=TEXTS,
    streamed_token_ids=IDS,
    seconds=st.floats(0, 1e6),
    error=TEXTS,
    tool_calls=st.lists(st.fixed_dictionaries({"name": TEXTS, "arguments": TEXTS}), max_size=2).map(tuple),
)


@given(st.builds(Transcript, TEXTS, TEXTS, st.lists(TURNS, max_size=2).map(tuple)))
def test_a_transcript_is_read_as_it_was_written(transcript: Transcript) -> None:
    line = line_of(transcript)
    assert transcript_of(line) == transcript
    assert line.count("\n") == 1


def test_odd_newlines_in_an_answer_are_no_line_ends(tmp_path: Path) -> None:
    transcript = Transcript("checks[0]", WITH_HISTORY, (Turn((), "海\u2028螺\x85\r\n"),))
    (tmp_path / "a.jsonl").write_text(line_of(transcript) * 2, encoding="utf-8")
    assert read_answers(tmp_path / "a.jsonl") == [transcript, transcript]


def test_a_missing_and_a_torn_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        read_answers(tmp_path / "none")
    (tmp_path / "a.jsonl").write_text('{"case": "checks[0', encoding="utf-8")
    with pytest.raises(StageFailed):
        read_answers(tmp_path / "a.jsonl")
