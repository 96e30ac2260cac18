"""The data of server-sent events (text/event-stream), as a streamed answer sends them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def events(chunks: Iterable[bytes]) -> Iterator[str]:
    r"""The data of each event; comments and other fields are left out.

    >>> list(events([b"data: 1\n", b"\n: hello\r\n\ndata:2\ndata: 3\r\n\r\ndata: [DONE]"]))
    ['1', '2\n3', '[DONE]']
    """
    data: list[str] = []
    for line in _lines(chunks):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" ").decode("utf-8", "replace"))
        elif not line and data:
            yield "\n".join(data)
            data = []
    if data:  # the last event of a server that does not end it
        yield "\n".join(data)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for line in whole:
            yield b"".join([*rest, line]).removesuffix(b"\r")
            rest = []
        rest.append(last)
    yield b"".join(rest).removesuffix(b"\r")
