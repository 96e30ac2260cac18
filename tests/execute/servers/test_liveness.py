"""Whether a server that is up still works: by its counters, and by a token when it is idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from orchestrator.execute.servers.liveness import Limits, Liveness

QUICK = Limits(look=0.05, stuck=0.3, idle=0.3, canary=0.3, misses=3)


class Server(BaseHTTPRequestHandler):
    """/health, /metrics, and a completion or none."""

    metrics: ClassVar[str] = ""
    health: ClassVar[int] = 200
    answers: ClassVar[bool] = True
    asked: ClassVar[int] = 0
    scores: ClassVar[bool] = False

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Health and metrics."""
        found = self.path == "/health" or bool(self.metrics)
        self._reply(self.health if found else 404, self.metrics if self.path == "/metrics" else "")

    def do_POST(self) -> None:
        """One token."""
        type(self).asked += 1
        if not self.answers:
            time.sleep(2)
        score = '{"data": [{"probs": [0.5]}]}'
        self._reply(200, score if self.path == "/classify" else '{"usage": {"completion_tokens": 1}}')

    def _reply(self, status: int, text: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
        except OSError:
            return


@contextmanager
def watched(**given: object) -> Iterator[Liveness]:
    kind: type[Server] = type("Given", (Server,), given)
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    liveness = Liveness(url, "m", None, "vllm", QUICK, scores=kind.scores)
    try:
        yield liveness
    finally:
        liveness.close()
        server.shutdown()
        server.server_close()


def problem(liveness: Liveness, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while not liveness.problem and time.monotonic() < deadline:
        time.sleep(0.02)
    return liveness.problem


IDLE = "vllm:num_requests_running 0.0\nvllm:generation_tokens_total 7.0\n"
BUSY = 'vllm:num_requests_running{engine="0"} 2.0\nvllm:generation_tokens_total{engine="0"} 7.0\n'


def test_requests_that_wait_without_a_token_are_a_wedge() -> None:
    with watched(metrics=BUSY) as liveness:
        assert problem(liveness, 5).startswith("2 requests are waiting, and no token came in")


def test_a_busy_reward_model_generates_no_token_and_is_asked_for_a_score() -> None:
    with watched(metrics=BUSY, scores=True) as liveness:
        assert problem(liveness, 1.0) == ""
    with watched(metrics=BUSY, scores=True, answers=False) as liveness:
        assert "score" in problem(liveness, 5)


def test_an_idle_server_is_asked_for_a_token_and_left_alone() -> None:
    with watched(metrics=IDLE) as liveness:
        assert problem(liveness, 1.0) == ""


def test_an_idle_server_that_gives_no_token_is_a_wedge() -> None:
    with watched(metrics=IDLE, answers=False) as liveness:
        assert "gave no token" in problem(liveness, 5) or "failed" in liveness.problem


def test_without_counters_the_token_decides() -> None:
    with watched() as liveness:
        assert problem(liveness, 1.0) == ""
    with watched(answers=False) as liveness:
        assert problem(liveness, 5)


def test_only_several_misses_in_a_row_count() -> None:
    with watched(metrics=IDLE, health=503) as liveness:
        assert problem(liveness, 5) == "it did not answer 3 times in a row"
