"""A model server that shares nothing with vLLM but /v1/models and /v1/chat/completions.

    tiny_server.py FOLDER --port N --alias NAME [--alias NAME …]

It is up when /ready says so, counts in /stats (JSON), and wants the key of TINY_KEY. Answers come from
FOLDER/answers.json; any other question is echoed. CONCH_FAULT: die-after-ready, wedge-after-ready.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

FAULT = os.environ.get("CONCH_FAULT", "")


class Handler(BaseHTTPRequestHandler):
    """The endpoints."""

    names: ClassVar[list[str]] = []
    answers: ClassVar[dict[str, str]] = {}
    tokens: ClassVar[int] = 0

    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""

    def do_GET(self) -> None:
        """Readiness, statistics and model names."""
        if self.path == "/ready":
            self.reply({"ready": True})
        elif self.path == "/stats":
            self.reply({"active": int(FAULT == "wedge-after-ready"), "generated": self.tokens})
        elif self.path == "/v1/models" and self.is_allowed():
            self.reply({"object": "list", "data": [{"id": name, "object": "model"} for name in self.names]})
        elif self.path != "/v1/models":
            self.reply({"error": "not found"}, 404)

    def do_POST(self) -> None:
        """A chat completion, whole or as a stream."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self.reply({"error": {"message": "not found"}}, 404)
        elif self.is_allowed():
            self.complete(asked)

    def is_allowed(self) -> bool:
        """Whether the key fits; answers 401 otherwise."""
        key = os.environ.get("TINY_KEY")
        allowed = not key or self.headers.get("Authorization") == f"Bearer {key}"
        if not allowed:
            self.reply({"error": "Unauthorized"}, 401)
        return allowed

    def complete(self, asked: dict[str, Any]) -> None:
        """One answer."""
        question = asked["messages"][-1]["content"]
        text = self.answers.get(question, question)
        type(self).tokens += len(text)
        base = {"id": "tiny", "created": 0, "model": asked["model"]}
        if asked.get("stream"):
            chunk = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            event = {**base, "object": "chat.completion.chunk", "choices": [chunk]}
            self.send(f"data: {json.dumps(event, ensure_ascii=False)}\n\ndata: [DONE]\n\n".encode())
        else:
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
            usage = {"prompt_tokens": len(question), "completion_tokens": len(text)}
            self.reply({**base, "object": "chat.completion", "choices": [choice], "usage": usage})
        if FAULT == "die-after-ready":
            self.wfile.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def reply(self, body: dict[str, Any], status: int = 200) -> None:
        """A JSON answer."""
        self.send(json.dumps(body, ensure_ascii=False).encode(), status)

    def send(self, data: bytes, status: int = 200) -> None:
        """Bytes."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--alias", action="append", default=[])
    options = parser.parse_args()
    if not options.folder.is_dir():
        raise SystemExit(f"no model folder {options.folder}")
    Handler.names = options.alias
    answers = options.folder / "answers.json"
    Handler.answers = json.loads(answers.read_text(encoding="utf-8")) if answers.exists() else {}
    sys.stdout.write(f"tiny: serving {options.folder}\n")
    sys.stdout.flush()
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
