"""What a server can do to its client, below and above HTTP: a table of modes for openai_server's `fault`.

A mode writes whatever it likes after a request was read, and returns when the client is gone. Those whose
name starts with models- answer the list of models, all others a chat completion.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eesrever\u2066\x00\x7f"
TICK = 0.03


@dataclass(frozen=True)
class Wire:
    """The connection of one request."""

    socket: socket.socket
    gone: threading.Event
    streams: bool
    model: str
    key: str

    def send(self, parts: Iterable[bytes], pause: float = 0.0) -> None:
        """Write until the client goes away; with `pause`, that many seconds between the parts."""
        with contextlib.suppress(OSError):
            for part in parts:
                if pause and self.gone.wait(pause):
                    return
                self.socket.sendall(part)


Mode = Callable[[Wire], None]
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
JSON = OK + b"Content-Type: application/json\r\n\r\n"
EVENTS = OK + b"Content-Type: text/event-stream\r\n\r\n"


def raw(*parts: bytes) -> Mode:
    """Exactly these bytes."""
    return lambda wire: wire.send(parts)


def endless(start: bytes, more: bytes, pause: float = 0.0) -> Mode:
    """These bytes, then more of them for ever."""
    return lambda wire: wire.send(chain([start], repeat(more)), pause)


def said(body: object) -> Mode:
    """A JSON body; bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return raw(JSON + data)


def answered(message: object, **more: object) -> Mode:
    """A whole chat completion with this message; as a stream, the same as one delta."""

    def mode(wire: Wire) -> None:
        part = "delta" if wire.streams else "message"
        choice = {"index": 0, part: message, "finish_reason": "stop"}
        whole = {"id": "1", "object": "chat.completion", "created": 1, "model": wire.model}
        data = json.dumps(whole | {"choices": [choice]} | more).encode()
        streamed = [EVENTS, b"data: ", data, b"\n\ndata: [DONE]\n\n"]
        wire.send(streamed if wire.streams else [JSON, data])

    return mode


def refused(status: int, body: bytes, *headers: bytes) -> Mode:
    """An error status."""
    head = b"HTTP/1.1 %d Odd\r\nConnection: close\r\n" % status
    return raw(head + b"".join(one + b"\r\n" for one in headers) + b"\r\n" + body)


def events(*data: bytes) -> Mode:
    """A stream of these events; what is not asked as a stream is answered well."""
    well = answered({"role": "assistant", "content": "我是神奇海螺"})
    sent = raw(EVENTS, *(b"data: " + one + b"\n\n" for one in data))
    return lambda wire: sent(wire) if wire.streams else well(wire)


def streaming(start: bytes, more: bytes, pause: float = 0.0) -> Mode:
    """An endless stream; what is not asked as a stream is answered well."""
    well = answered({"role": "assistant", "content": "我是神奇海螺"})
    sent = endless(EVENTS + start, more, pause)
    return lambda wire: sent(wire) if wire.streams else well(wire)


def reset(wire: Wire) -> None:
    """Half an answer, then the connection is reset."""
    wire.send([JSON + b'{"id"'])
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(wire.socket.detach())


def echo_of_the_key(wire: Wire) -> None:
    """An error that repeats the key, with escapes around it."""
    message = {"error": {"message": f"{ESCAPES} bad key {wire.key} sk-{'x' * 40}"}}
    wire.send([b"HTTP/1.1 500 Odd\r\nConnection: close\r\n\r\n", json.dumps(message).encode()])


def bomb(megabytes: int) -> bytes:
    """Gzip that grows a thousand times."""
    packer = zlib.compressobj(wbits=31)
    zeros = b" " * 1_000_000
    return b"".join(packer.compress(zeros) for _ in range(megabytes)) + packer.flush()


def packed(encoding: bytes, body: bytes) -> Mode:
    """A body that claims to be compressed."""
    return raw(OK + b"Content-Encoding: " + encoding + b"\r\nContent-Type: application/json\r\n\r\n" + body)


def listed(rows: Any) -> Mode:
    """A list of models."""
    return said({"object": "list", "data": rows})


def rows(count: int) -> Iterator[dict[str, str]]:
    """That many models."""
    return ({"id": f"model-{number}", "object": "model"} for number in range(count))


WELL = json.dumps({"choices": [{"message": {"content": "我是神奇海螺"}}]}).encode()
DEEP = b"[" * 100_000
MANY = b"[" + b"[]," * 5_000_000 + b"[]]"

MODES: dict[str, Mode] = {
    # Below HTTP, and its head.
    "silent-close": raw(),
    "ssh-banner": raw(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "tls-alert": raw(b"\x15\x03\x01\x00\x02\x02\x28"),
    "half-a-status": raw(b"HTTP/1."),
    "drip-status": endless(b"", b"H", TICK),
    "drip-headers": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", TICK),
    "endless-header": endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 4096),
    "endless-headers": endless(b"HTTP/1.1 200 OK\r\n", b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 100),
    "continue-drip": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", TICK),
    "continue-flood": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "early-hints": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 50),
    "escape-in-reason": raw(f"HTTP/1.1 500 {ESCAPES}\r\n\r\n".encode("latin-1", "replace")),
    "escape-in-header": raw(b"HTTP/1.1 200 OK\r\nX: \x1b[2J\x00\r\n\r\n{}"),
    "status-9999": raw(b"HTTP/1.1 9999 OK\r\n\r\n"),
    "switching-protocols": raw(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
    "negative-length": raw(OK + b"Content-Length: -5\r\n\r\n{}"),
    "two-lengths": raw(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
    "huge-length": raw(OK + b"Content-Length: 1" + b"0" * 18 + b"\r\n\r\n{"),
    "endless-length": raw(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{"),
    # The body's wire.
    "drip-chunks": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", TICK),
    "bad-chunk": raw(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\x1b[2J"),
    "endless-chunk-head": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"x" * 4096),
    "endless-body": endless(JSON, b" " * 65_536),
    "reset": reset,
    "gzip": packed(b"gzip", gzip.compress(WELL)),
    "gzip-bomb": packed(b"gzip", bomb(200)),
    "gzip-twice": packed(b"gzip, gzip", gzip.compress(gzip.compress(WELL))),
    "gzip-unsaid": said(gzip.compress(WELL)),
    "deflate": packed(b"deflate", zlib.compress(WELL)),
    "zstd": packed(b"zstd", b"\x28\xb5\x2f\xfd\x00\x00\x01\x00\x00"),
    "escape-in-encoding": packed(b"\xff\xfe", WELL),
    "204": raw(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
    # Elsewhere, and refusals.
    "redirect-with-secrets": refused(
        302, b"", b"Location: http://me:hunter22@evil.invalid/v1?api_key=hunter22&x=1"
    ),
    "redirect-to-escapes": refused(301, b"", b"Location: http://evil.invalid/%1b\xc2\x9b"),
    "redirect-to-a-file": refused(307, b"", b"Location: file:///etc/passwd"),
    "error-with-escapes": refused(500, json.dumps({"error": {"message": ESCAPES * 20}}).encode()),
    "error-of-10-mb": refused(400, b'{"error": {"message": "' + b"x" * 10_000_000 + b'"}}'),
    "error-that-is-deep": refused(400, DEEP),
    "error-with-the-key": echo_of_the_key,
    "error-as-html": refused(502, b"<html>\x1b[31m<script>alert(1)</script></html>"),
    "error-without-utf-8": refused(500, b"\xff\xfe\x9b"),
    "retry-at-once": refused(429, b"{}", b"Retry-After: 0"),
    "retry-for-ever": refused(429, b"{}", b"Retry-After: " + b"9" * 400),
    "retry-59": refused(503, b"{}", b"Retry-After: 59"),
    # JSON.
    "deep-lists": said(DEEP),
    "deep-objects": said(b'{"a":' * 100_000),
    "deep-content": said(b'{"choices": [{"message": {"content": ' + DEEP),
    "many-parts": said(MANY[: 15 * 1024 * 1024]),
    "many-choices": said({"choices": [{}] * 500_000}),
    "null": said(None),
    "number": said(7),
    "list": said([1]),
    "text": said("hello"),
    "number-of-5000-digits": said(b'{"choices": ' + b"9" * 5000 + b"}"),
    "not-utf-8": said(b'{"choices": "\xff\xfe"}'),
    "error-in-200": said({"error": {"message": ESCAPES}}),
    "error-in-200-as-list": said({"error": [ESCAPES] * 100}),
    "choices-number": said({"choices": 5}),
    "choices-object": said({"choices": {"0": {}}}),
    "choice-number": said({"choices": [5]}),
    "message-list": answered([1]),
    "content-number": answered({"content": 5}),
    "content-list": answered({"content": [{"type": "text", "text": "好"}]}),
    "content-object": answered({"content": {"a": 1}}),
    "content-true": answered({"content": True}),
    "model-with-escapes": answered({"content": "好"}, model=ESCAPES),
    "content-with-escapes": answered({"content": f"我是{ESCAPES}"}),
    "content-half-character": answered({"content": "我是\ud83d"}),
    "calls-of-all-kinds": answered({"content": "好", "tool_calls": [5, {"function": 7}, {"index": "x"}]}),
    "ids-of-all-kinds": said(
        {"choices": [{"message": {"content": "好", "reasoning": [1]}, "token_ids": [{}, -1]}]}
    ),
    # Streams.
    "stream-of-comments": streaming(b"", b": still here\n\n", TICK),
    "stream-without-lines": streaming(b"data: ", b"x" * 65_536),
    "stream-flood": streaming(b"", b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n' * 1000),
    "stream-deep": events(DEEP),
    "stream-number": events(b"5", b"[DONE]"),
    "stream-content-list": events(b'{"choices": [{"delta": {"content": [1]}}]}', b"[DONE]"),
    "stream-error": events(json.dumps({"error": {"message": ESCAPES}}).encode()),
    "stream-not-json": events(b"\x1b[2J{"),
    # Lists of models.
    "models-many": listed(list(rows(100_000))),
    "models-with-escapes": listed([{"id": ESCAPES}, {"id": "x" * 100_000}]),
    "models-of-all-kinds": listed([5, None, {"id": 7}, {"id": ["x"]}, {}]),
    "models-number": listed(5),
    "models-deep": said(DEEP),
    "models-endless": endless(JSON, b" " * 65_536),
    "models-drip": endless(JSON, b" ", TICK),
    "models-gzip": packed(b"gzip", bomb(200)),
    "models-null": said(None),
    "models-500": refused(500, ESCAPES.encode()),
}
