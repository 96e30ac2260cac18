"""A run's tasks and servers in the test's own process: what else costs a second each costs nothing.

    tasks_in_process(monkeypatch)                      # Conch's own tasks, called
    served_in_process(monkeypatch, place, server)      # start_service of that module: a fake that is up

The loop, its keys and its files are the product's. Not covered: processes, logs and signals of children,
which tests/execute/test_loop.py and test_service.py are about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.task import run_task
from orchestrator.stage import Command, Service
from tests.fakes.openai_server import FakeServer


def tasks_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `python -m orchestrator.execute.task NAME FILE` is a call."""

    def run(command: Command, *, cwd: Path, extra: Mapping[str, str], log: Path, **_: Any) -> int:
        assert "orchestrator.execute.task" in command.argv, command.argv
        for name, value in extra.items():
            monkeypatch.setenv(name, value)
        log.parent.mkdir(exist_ok=True)
        log.touch()
        settings = json.loads((cwd / command.argv[-1]).read_text(encoding="utf-8"))
        # One at a time: a failure leaves no request of another thread on its way.
        alone = settings | ({"at_a_time": 1} if "at_a_time" in settings else {})
        path = cwd / "tasks/in-process.json"
        path.write_text(json.dumps(alone), encoding="utf-8")
        return run_task(command.argv[-2], path, cwd)

    monkeypatch.setattr("orchestrator.execute.process.run", run)


@dataclass
class Up:
    """What stands for a running server."""

    service: Service
    url: str
    folder: Path
    stopped: bool = False

    def wait_ready(self, _: object) -> float:
        """It is."""
        return 0.0

    def check(self) -> None:
        """It lives."""

    def stop(self, *_: object) -> list[int]:
        """Once is enough, more do no harm."""
        self.stopped = True
        return []


@dataclass
class Started:
    """Every server that was started, in turn."""

    servers: list[Up] = field(default_factory=list)


def served_in_process(monkeypatch: pytest.MonkeyPatch, place: str, server: FakeServer) -> Started:
    """Let the module at `place` start nothing but find this server, by whatever model name it asks for."""
    started = Started()

    def start(service: Service, *, cwd: Path, **_: Any) -> Up:
        server.models = [
            service.model,
            *(word.partition("=")[0] for word in service.command.argv if "=" in word),
        ]
        started.servers.append(Up(service, server.url, cwd))
        return started.servers[-1]

    monkeypatch.setattr(f"{place}.start_service", start)
    return started
