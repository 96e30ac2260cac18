"""A run's tasks and servers in the test's own process: what else costs a second each costs nothing.

    tasks_in_process(monkeypatch)                      # Conch's own tasks, called
    served_in_process(monkeypatch, place, server)      # start_service of that module: a fake that is up

The loop, its keys and its files are the product's. Not covered: processes, logs and signals of children,
which tests/execute/runner/test_loop.py and test_service.py are about.
"""

from __future__ import annotations

import json
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from orchestrator.execute.launchers.commands import run_command
from orchestrator.execute.runner import loop
from orchestrator.execute.runner.task import run_task
from orchestrator.plan.stage import Command, Service
from tests.fakes.openai_server import FakeServer


def tasks_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every in-process task is a call; engines and probes stay processes.

    Requests go one at a time: a failure leaves no request of another thread on its way. A few generated
    conversations do for what is not about them (500 cost each probe a second).
    """

    def run(command: Command, **given: Any) -> int:
        if command.argv[1:3] != ("-m", "orchestrator.execute.runner.task"):
            return run_command(command, **given)
        name, file = command.argv[3:]
        settings = json.loads((given["cwd"] / file).read_text(encoding="utf-8"))
        if name in ("ask", "evaluate"):
            settings["concurrency"] = 1
        elif name == "prepare":
            settings.get("generated", {})["count"] = 30
        given["log"].parent.mkdir(exist_ok=True)
        with (
            TemporaryDirectory() as apart,
            given["log"].open("a", encoding="utf-8") as log,
            redirect_stderr(log),
            pytest.MonkeyPatch.context() as patched,
        ):
            for key, value in {**command.env, **given["extra"]}.items():
                patched.setenv(key, value)
            path = Path(apart, "settings.json")
            path.write_text(json.dumps(settings), encoding="utf-8")
            return run_task(name, path, given["cwd"])

    monkeypatch.setattr(loop, "run_command", run)


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
