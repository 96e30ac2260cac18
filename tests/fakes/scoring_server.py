"""A server that scores token ids as vLLM does: /tokenize of messages, and prompt_logprobs of a prompt.

With a `reward` it is a reward model: /classify of messages or ids.

    with scoring_server(Scores(prompt=ids_of, logprob=log_p)) as server: ...

Its faults are set on the handler's `fault`: "no-logprobs", "refuse-long", "no-tokenize", or a status code.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONG = 40


@dataclass
class Scores:
    """What the server says.

    Attributes:
        prompt: the ids of a /tokenize request. texts: those of a completion of text.
        logprob: log p of an id at a place of a prompt.
        reward: the score of a /classify request; None for a model that answers.
        requests: (path, body) of everything that came; headers: of each.
    """

    prompt: Callable[[dict[str, Any]], list[int]]
    logprob: Callable[[list[int], int], float]
    reward: Callable[[dict[str, Any]], float] | None = None
    fault: str = ""
    texts: dict[str, list[int]] = field(default_factory=dict)
    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    scores: Scores

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._json(200, {"data": [{"id": "conch"}]})

    def do_POST(self) -> None:
        scores = self.scores
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        scores.requests.append((self.path, body))
        scores.headers.append(dict(self.headers))
        if scores.fault.isdigit():
            key = self.headers.get("Authorization", "")
            self._json(int(scores.fault), {"error": {"message": f"told to say {scores.fault} to {key}"}})
        elif scores.fault == "html":
            self._send(200, b"<html>hello</html>")
        elif self.path == "/tokenize" and scores.fault != "no-tokenize":
            tokens = scores.prompt(body)
            self._json(200, {"count": len(tokens), "max_model_len": 512, "tokens": tokens})
        elif self.path == "/classify" and scores.reward:
            self._json(200, {"data": [{"index": 0, "label": "score", "probs": [scores.reward(body)]}]})
        elif self.path == "/v1/completions":
            prompt = body["prompt"]
            self._complete(self.scores.texts[prompt] if isinstance(prompt, str) else prompt)
        else:
            self._json(404, {"error": {"message": "Not Found"}})

    def _complete(self, ids: list[int]) -> None:
        if self.scores.fault == "refuse-long" and len(ids) > LONG:
            self._json(400, {"error": {"message": "This model's maximum context length is 40 tokens."}})
            return
        told: list[Any] = [None]
        told += [
            {str(ids[at]): {"logprob": self.scores.logprob(ids, at), "rank": 1}} for at in range(1, len(ids))
        ]
        choice = {"index": 0, "text": "x", "prompt_logprobs": told}
        if self.scores.fault == "no-logprobs":
            del choice["prompt_logprobs"]
        self._json(200, {"choices": [choice]})

    def _json(self, status: int, data: dict[str, Any]) -> None:
        self._send(status, json.dumps(data).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def scoring_server(scores: Scores) -> Iterator[Scores]:
    """The server on a free port of loopback, gone at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"scores": scores}))
    server.daemon_threads = True
    scores.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield scores
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
