"""A server that answers token ids and messages apart, as a vLLM does whose prompt or weights are wrong.

    with answering_server(by_ids=answer, by_chat=answer) as server: ...

A letter is a token. An answer of None is refused (HTTP 400).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str], str | None]


@dataclass
class Answering:
    """What it says, and what it was asked: (path, body)."""

    by_ids: Answer
    by_chat: Answer
    opening: str = "<｜User｜>"
    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def reply(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if path == "/v1/completions":
            text = "".join(map(chr, body["prompt"][1:]))
            said = self.by_ids(text.rpartition("<｜User｜>")[2].partition("<｜Assistant｜>")[0])
            choice = {"text": said, "finish_reason": "stop", "token_ids": [*map(ord, said or "")]}
            return None if said is None else {"choices": [choice]}
        if path == "/tokenize":
            asked = body["messages"][-1]["content"]
            return {"tokens": [1, *map(ord, f"{self.opening}{asked}<｜Assistant｜>")]}
        if path == "/detokenize":
            return {"prompt": "".join(map(chr, body["tokens"]))}
        said = self.by_chat(body["messages"][-1]["content"])
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        whole = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
        return None if said is None else whole | {"choices": [choice]}


class _Handler(BaseHTTPRequestHandler):
    answering: Answering

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answering.requests.append((self.path, body))
        told = self.answering.reply(self.path, body)
        data = json.dumps(told or {"error": {"message": "refused"}}, ensure_ascii=False).encode()
        self.send_response(400 if told is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def answering_server(by_ids: Answer, by_chat: Answer) -> Iterator[Answering]:
    """It, while inside."""
    answering = Answering(by_ids, by_chat)
    handler = type("Handler", (_Handler,), {"answering": answering})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    answering.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield answering
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
