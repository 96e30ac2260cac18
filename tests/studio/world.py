"""A studio of the small world, in this process, and OpenAI's own client for it.

    with running(small.project) as studio:
        studio.client().files.list()

Its jobs and model servers are the product's processes, on the fake engines.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest
import uvicorn

from orchestrator.execute.host.ports import free_port
from orchestrator.execute.run_store.stop import stop_project
from orchestrator.studio.app import build
from orchestrator.studio.context import Settings, Studio
from orchestrator.studio.store import Store
from tests.small_world import ROWS

TAUGHT = [
    {"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]}
    for ask, answer in ROWS.items()
]
PATIENCE = 600  # on a machine that does much else


@dataclass(frozen=True)
class RunningStudio:
    """A studio that answers: its address, and its parts."""

    url: str
    parts: Studio

    @property
    def store(self) -> Store:
        """Its store."""
        return self.parts.store

    def client(self, key: str = "none", *, retries: int = 0) -> openai.OpenAI:
        """OpenAI's client; close it."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=retries)

    def ask(self, method: str, path: str, key: str = "", **given: object) -> httpx.Response:
        """A plain request."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        with httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False) as client:
            return client.request(method, path, **given)  # type: ignore[arg-type]  # httpx's own


@contextmanager
def running(project: Path, settings: Settings | None = None) -> Iterator[RunningStudio]:
    """A studio of a project in a thread; afterwards nothing of the project runs."""
    app = build(project, settings or Settings())
    port = free_port("127.0.0.1")
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield RunningStudio(f"http://127.0.0.1:{port}", app.state.studio)
    finally:
        server.should_exit = True
        thread.join(60)
        stop_project(project)


def wait_until(done: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def upload(
    client: openai.OpenAI, rows: Sequence[Mapping[str, object]] = TAUGHT, name: str = "rows.jsonl"
) -> str:
    """Upload rows; the id of the file."""
    return client.files.create(file=(name, lines(rows)), purpose="fine-tune").id


def lines(rows: Sequence[Mapping[str, object]]) -> bytes:
    """JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def over(client: openai.OpenAI, job: str) -> str:
    """The state of a job when it is over, or paused."""
    last = [""]

    def ended() -> bool:
        last[0] = client.fine_tuning.jobs.retrieve(job).status
        return last[0] not in ("queued", "running", "validating_files")

    wait_until(ended)
    return last[0]


@contextlib.contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    """OpenAI's client must raise an error of this status and code inside."""
    with pytest.raises(openai.APIStatusError) as said:
        yield
    assert (said.value.status_code, said.value.code) == (status, code), said.value.body
