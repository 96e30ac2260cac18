"""A studio without a server of its own, for tests that need no socket; its queue starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from orchestrator.studio import job_queue
from orchestrator.studio.app import build
from orchestrator.studio.context import Settings, Studio
from tests.small_world import SmallWorld

Opened = Callable[[Settings], TestClient]


@pytest.fixture
def opened(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Opens a studio with these settings; no job of it is ever started."""
    monkeypatch.setattr(job_queue.JobQueue, "start", lambda _: None)
    monkeypatch.setattr(job_queue.JobQueue, "close", lambda _: None)
    clients: list[TestClient] = []

    def open_studio(settings: Settings) -> TestClient:
        client = TestClient(build(small.project, settings), raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield open_studio
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def api(opened: Opened) -> TestClient:
    """A studio with the usual settings."""
    return opened(Settings())


def parts_of(client: TestClient) -> Studio:
    """The parts of an opened studio."""
    found: Studio = client.app.state.studio  # type: ignore[attr-defined]  # a FastAPI application
    return found
