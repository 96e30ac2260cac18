"""An OpenAI-compatible server on loopback, in this process, with switches for what servers do wrong.

    with openai_server(lambda messages: Said("你好")) as server:
        server.url, server.requests; server.fault = "hang"

FAULTS names the switches, MODES of hostile_answers.py many more. A fault holds for every chat completion
until it is set back to ""; with `fault_after` it begins after that many completions, with `fault_times` it
ends after so many more. With `retry_after` a refusal says so in its header.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.hostile_answers import MODES, Wire
from tests.fakes.loopback import listening

FAULTS = {
    "400": "every request is refused",
    "401": "the key is refused, and repeated",
    "404": "no such model",
    "429": "too many requests",
    "500": "an internal error",
    "503": "not ready",
    "redirect": "sent elsewhere",
    "empty-choices": "an answer without choices",
    "wrong-model": "another model answers",
    "invalid-json": "half a JSON object",
    "html": "a web page",
    "hang": "no answer at all",
    "drip": "a byte now and then, for ever",
    "cut": "the connection ends in the middle",
    "no-done": "a stream without [DONE]",
    "cut-stream": "a stream whose connection breaks",
    "error-event": "an error inside a stream",
    "refuse-tools": "tools are refused, as by a vLLM without a parser of calls",
    "refuse-ids": "return_token_ids is refused",
    "refuse-schema": "response_format is refused",
    "no-stream": "a whole answer where a stream was asked for",
    "stream-differs": "a stream with another text",
    "die": "the server stops listening",
}


@dataclass(frozen=True)
class Said:
    """One answer."""

    content: str | None = ""
    reasoning: str = ""
    finish_reason: str = "stop"
    token_ids: tuple[int, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()


@dataclass
class FakeServer:
    """What runs, and what it saw."""

    answer: Callable[[list[dict[str, str]]], Said]
    url: str = ""
    models: list[str] = field(default_factory=lambda: ["conch"])
    answers_as: str = ""
    key: str = ""
    fault: str = ""
    fault_after: int = 0
    fault_times: int = 0
    retry_after: str = ""
    reasoning_field: str = "reasoning"
    lists_models: bool = True
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    addresses: list[Any] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None
    gone: threading.Event = field(default_factory=threading.Event)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    slow: float = 0.0


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second must not wait for the first one's acknowledgement (40 ms).
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.fake.headers.append(dict(self.headers))
        if not self._allowed():
            return
        if self.fake.fault.startswith("models-"):
            self._hostile(self.fake.fault)
        elif self.path.endswith("/models") and self.fake.lists_models:
            self._json(
                200, {"object": "list", "data": [{"id": m, "object": "model"} for m in self.fake.models]}
            )
        else:
            self._json(404, {"error": {"message": "Not Found"}})

    def do_POST(self) -> None:
        fake = self.fake
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with fake.lock:
            fake.requests.append(body)
            fake.addresses.append(self.client_address)
            fake.headers.append(dict(self.headers))
            over = fake.fault_times and len(fake.requests) > fake.fault_after + fake.fault_times
            fault = fake.fault if len(fake.requests) > fake.fault_after and not over else ""
            fake.at_once += 1
            fake.most_at_once = max(fake.most_at_once, fake.at_once)
        try:
            if self._allowed():
                time.sleep(fake.slow)
                self._complete(body, fault)
        finally:
            with fake.lock:
                fake.at_once -= 1

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization", "")
        if self.fake.key and given != f"Bearer {self.fake.key}":
            self._json(401, {"error": {"message": f"Incorrect API key provided: {given}"}})
            return False
        return True

    def _complete(self, body: dict[str, Any], fault: str) -> None:
        if fault in MODES and not fault.startswith("models-"):
            self._hostile(fault, streams=bool(body.get("stream")), model=body["model"])
        elif fault.isdigit():
            given = self.headers.get("Authorization", "")
            self._json(int(fault), {"error": {"message": f"told to say {fault} to {given}"}})
        elif fault == "refuse-ids" and "return_token_ids" in body:
            self._json(400, {"error": {"message": "Unrecognized request argument: return_token_ids"}})
        elif fault == "refuse-tools" and "tools" in body:
            needs = "--enable-auto-tool-choice and --tool-call-parser to be set"
            self._json(400, {"error": {"message": f'"auto" tool choice requires {needs}'}})
        elif fault == "refuse-schema" and "response_format" in body:
            self._json(400, {"error": {"message": "This response_format type is unavailable now"}})
        elif fault in ("die", "hang"):
            self._silent(fault)
        elif fault in ("drip", "cut", "html", "invalid-json", "redirect"):
            self._broken(fault)
        elif body["model"] not in self.fake.models:
            self._json(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
        else:
            self._say(body, fault)

    def _hostile(self, mode: str, *, streams: bool = False, model: str = "") -> None:
        self.close_connection = True
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        MODES[mode](Wire(self.connection, self.fake.gone, streams, model, key))

    def _silent(self, fault: str) -> None:
        self.close_connection = True
        if fault == "die":
            threading.Thread(target=self.fake.stop, daemon=True).start()
        else:
            self.fake.gone.wait(30)

    def _say(self, body: dict[str, Any], fault: str) -> None:
        said = self.fake.answer(body["messages"])
        named = "another" if fault == "wrong-model" else self.fake.answers_as or body["model"]
        if body.get("stream") and fault != "no-stream":
            self._stream(said, named, fault, ids="return_token_ids" in body)
            return
        message: dict[str, Any] = {"role": "assistant", "content": said.content}
        if said.reasoning:
            message[self.fake.reasoning_field] = said.reasoning
        if said.calls:
            message["tool_calls"] = [
                {"id": f"call-{at}", "type": "function", "function": {"name": name, "arguments": text}}
                for at, (name, text) in enumerate(said.calls)
            ]
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": said.finish_reason}
        if "return_token_ids" in body:
            choice["token_ids"] = list(said.token_ids) or None
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": named}
        self._json(200, answer | {"choices": [] if fault == "empty-choices" else [choice]})

    def _broken(self, fault: str) -> None:
        self.close_connection = True
        if fault == "redirect":
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if fault == "html" else "application/json")
        if fault == "cut":
            self.send_header("Content-Length", "1000")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if fault == "drip":
            with contextlib.suppress(OSError):
                while not self.fake.gone.wait(0.05):
                    self.wfile.write(b" ")
            return
        self.wfile.write(b"<html>hello</html>" if fault == "html" else b'{"id": "1", "choi')

    def _stream(self, said: Said, named: str, fault: str, *, ids: bool) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        if fault == "cut-stream":
            self.send_header("Content-Length", "100000")
        self.end_headers()
        content = "另一个回答" if fault == "stream-differs" else said.content or ""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{self.fake.reasoning_field: piece} for piece in said.reasoning]
        deltas += [{"content": piece} for piece in content]
        deltas += [{"tool_calls": [part]} for part in _parts(said.calls)]
        for number, delta in enumerate(deltas):
            if fault == "error-event" and number == 2:
                self._event({"error": {"message": "the engine died", "code": 500}})
                return
            if fault == "cut-stream" and number == 2:
                return
            choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": None}
            if ids and number < len(said.token_ids):
                choice["token_ids"] = [said.token_ids[number]]
            self._event(self._chunk(named, [choice]))
        end: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": said.finish_reason}
        if ids and said.token_ids[len(deltas) :]:
            end["token_ids"] = list(said.token_ids[len(deltas) :])
        self._event(self._chunk(named, [] if fault == "empty-choices" else [end]))
        if fault != "no-done":
            self.wfile.write(b"data: [DONE]\n\n")

    def _chunk(self, named: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        kind = "chat.completion.chunk"
        return {"id": "1", "object": kind, "created": 1, "model": named, "choices": choices}

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())
        self.wfile.flush()

    def _json(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.fake.retry_after and status >= 400:
            self.send_header("Retry-After", self.fake.retry_after)
        self.end_headers()
        self.wfile.write(body)


def _parts(calls: tuple[tuple[str, str], ...]) -> Iterator[dict[str, Any]]:
    """The calls as a stream sends them: the name first, then the arguments letter by letter."""
    for at, (name, text) in enumerate(calls):
        first = {"name": name, "arguments": ""}
        yield {"index": at, "id": f"stream-{at}", "type": "function", "function": first}
        yield from ({"index": at, "function": {"arguments": letter}} for letter in text)


@contextmanager
def openai_server(answer: Callable[[list[dict[str, str]]], Said], **switches: Any) -> Iterator[FakeServer]:
    """A server on a free port; it is gone, and every hanging request with it, at the end."""
    fake = FakeServer(answer, **switches)
    with listening(type("Handler", (_Handler,), {"fake": fake}), fake.gone.set) as (fake.url, fake.stop):
        yield fake
