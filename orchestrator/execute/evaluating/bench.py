"""Runs a benchmark tool against a server, in its own environment, and keeps its output.

The tool is a child process like any other: own session, allow-listed environment, log. It runs in the
user's working directory, where its arguments may name files. The server's key is in its environment.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.backends.benches import BENCHES, Score, argv, scores
from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.environments import build, registry
from orchestrator.execute.host.redact import redact, secrets_of
from orchestrator.execute.launchers.commands import run_command
from orchestrator.execute.processes import diagnosis, watchdog
from orchestrator.execute.processes.child_environment import PROBES
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_logs import Growing, last_state
from orchestrator.execute.run_store.server_record import all_serving, is_up
from orchestrator.hubs import REMOTE
from orchestrator.plan.stage import Command

FOLDER = "bench"
LOG = "bench.log"
# Variables that a tool may need to load datasets from a hub.
_QUIET = {"DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True, slots=True)
class Benched:
    """The result of a benchmark.

    Attributes:
        folder: the tool's output, with its log.
        command: the command, without a key.
    """

    tool: str
    folder: Path
    command: str
    seconds: float
    scores: tuple[Score, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "folder": str(self.folder), "log": str(self.folder / LOG)}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The server: its URL with /v1, the served model name, its key or ""."""

    url: str
    model: str
    key: str = ""


def output_folder(home: Path, tool: str, *, now: datetime | None = None) -> Path:
    """A new, private folder below `home` for one run of a tool.

    Raises:
        MissingError: it cannot be created.
    """
    stamp = f"{now or datetime.now().astimezone():%Y%m%d-%H%M%S}"
    folder = home / f"{tool}-{stamp}"
    try:
        for number in range(2, 100):
            try:
                folder.mkdir(parents=True, mode=0o700)
                break
            except FileExistsError:
                folder = home / f"{tool}-{stamp}-{number}"
    except OSError as error:
        raise MissingError(Problem(f"cannot be made: {error.strerror}", str(folder))) from None
    return folder


def run_of(project: Path, recipe: str, url: str) -> Run | None:
    """The run that is served at the URL, else the recipe's latest run."""
    served = (run for run, serving in all_serving(project) if serving.url == url and is_up(run))
    mine = next((run for run in served if run.recipe == recipe), None)
    return mine or Run.last(project, recipe)


def run_bench(
    tool: str,
    server: Endpoint,
    arguments: Sequence[str],
    *,
    folder: Path,
    place: Path,
    run_tag: str,
    tell: Callable[[str], None],
) -> Benched:
    """Run a tool to its end.

    Args:
        tool: of dialects.benches.BENCHES.
        server: that it asks.
        arguments: the user's.
        folder: for its output and its log; there and empty.
        place: its working folder.
        run_tag: names what this works for.
        tell: is given every line that it prints, and what happens before.

    Raises:
        UsageError: the arguments will not do.
        MissingError: its environment cannot be created.
        StageFailed: it failed, or left no result.
        Interrupted: a signal came; the tool is stopped, and its files stay.
    """
    trusted = [hub for hub in REMOTE.values() if hub.sends_token(os.environ)]
    none = {
        key: value for hub in REMOTE.values() if hub not in trusted for key, value in hub.no_token.items()
    }
    command = Command(
        argv(tool, url=server.url, model=server.model, out=str(folder), arguments=arguments),
        env=_QUIET | none,
        secrets=tuple(hub.token for hub in trusted),
    )
    home = build.sync(tool, registry.ANY, tell)
    log, began = folder / LOG, time.monotonic()  # installing is no part of it
    follower = _Follower(Growing(log), [server.key, *secrets_of()], tell)
    with watchdog.guarded(run_tag):
        code = run_command(
            command,
            symbols={"conch": str(home), "bench": str(home), "probes": str(PROBES)},
            cwd=place,
            run_tag=run_tag,
            log=log,
            extra=_variables(tool, server.key),
            on_tick=lambda _: follower.tick(),
        )
    follower.tick()
    if code:
        raise StageFailed(diagnosis.explain_failure(log, code, hide=[server.key]))
    found = tuple(_read(tool, folder))
    if not found:
        what = f"{tool} ended well and left no result"
        raise StageFailed(Problem(what, str(log), "read the log: was a single question answered?"))
    return Benched(tool, folder, str(command), round(time.monotonic() - began, 1), found)


def _variables(tool: str, key: str) -> Mapping[str, str]:
    """The key, and no proxy for servers on this machine."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    direct = ",".join([*filter(None, [given]), "127.0.0.1", "localhost", "::1"])
    # The client library requires a key even if the server does not.
    return {"NO_PROXY": direct, "no_proxy": direct, BENCHES[tool].key: key or "EMPTY"}


def _read(tool: str, folder: Path) -> list[Score]:
    found: list[Score] = []
    for path in sorted(folder.glob(BENCHES[tool].results)):
        try:
            found += scores(tool, json.loads(path.read_bytes()))
        except (OSError, ValueError):
            continue
    return found


@dataclass(slots=True)
class _Follower:
    """Passes on the lines of a log as they are written; of a progress bar, the last state."""

    growing: Growing
    secrets: Sequence[str]
    tell: Callable[[str], None]

    def tick(self) -> None:
        with suppress(OSError):
            while lines := self.growing.lines():
                for line in lines:
                    self.tell(redact(last_state(line), self.secrets))
