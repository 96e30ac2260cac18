"""Server-sent events, cut anywhere."""

from __future__ import annotations

import pytest

from orchestrator.execute.inference.server_events import events

STREAM = (
    'data: {"a": "海螺"}\r\n\r\n: a comment\nevent: x\ndata: 1\ndata:2\n\n\n\nid: 7\n\ndata: [DONE]'
).encode()
EVENTS = ['{"a": "海螺"}', "1\n2", "[DONE]"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_pieces_do_not_matter(size: int) -> None:
    chunks = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert list(events(chunks)) == EVENTS


@pytest.mark.parametrize("stream", [b"", b"\n\n\n", b": only\n\n", b"data", b"event: x\n\n"])
def test_a_stream_without_data_has_no_event(stream: bytes) -> None:
    assert list(events([stream])) == []


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert list(events([b"data: \xff\n\n"])) == ["\ufffd"]
