"""The record of a run's server: its address and the process that supervises it; the lock says if it is up.

runs/RECIPE/ID/serving.json    exists while it is up, and after its supervisor was killed
runs/RECIPE/ID/.serving.lock   held (flock) by its supervisor
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.errors import BusyError, Problem
from orchestrator.execute.host.atomic_files import read_json, write_durable
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import exclusive, is_locked

RECORD = "serving.json"
_LOCK = ".serving.lock"


@dataclass(frozen=True, slots=True)
class Serving:
    """A server.

    Attributes:
        run: RECIPE/ID. url: the base URL of an OpenAI client. model: the name that clients use.
        pid, ticks: of its supervisor.
        began, ready: ISO 8601, UTC; ready is "" until the first answer.
        restarts: number of restarts.
        detached: it has no terminal.
    """

    run: str
    url: str
    model: str
    pid: int
    ticks: int
    began: str
    ready: str = ""
    restarts: int = 0
    detached: bool = False


@contextmanager
def hold_serving(run: Run) -> Iterator[None]:
    """Be the only process that serves a run; BusyError, with the address, if another one does."""
    with exclusive(run.path / _LOCK, lambda: _busy(run)):
        yield
        (run.path / RECORD).unlink(missing_ok=True)


def write_serving(run: Run, serving: Serving) -> None:
    """Write the record; only the holder of the lock may."""
    write_durable(run.path / RECORD, json.dumps(asdict(serving), indent=1) + "\n", mode=0o600)


def serving_of(run: Run) -> Serving | None:
    """The record; None if it is missing or cannot be read."""
    found = read_json(run.path / RECORD)
    try:
        return Serving(**found) if found else None
    except TypeError:
        return None


def is_up(run: Run) -> bool:
    """Whether a process supervises a server of this run."""
    return is_locked(run.path / _LOCK)


def is_lost(run: Run, serving: Serving) -> bool:
    """Whether the server lives although its supervisor is gone."""
    owner = (serving.pid, serving.ticks)
    members = process_tree.scan(process_tree.run_prefix(run.project, run.path))
    return not is_up(run) and any(process_tree.owner_of(one.run_tag) == owner for one in members)


def all_serving(project: Path) -> list[tuple[Run, Serving]]:
    """Every run with a record of a server, and the record."""
    found = []
    for path in sorted((project / "runs").glob(f"*/*/{RECORD}")):
        run = Run(project, path.parent.parent.name, path.parent.name)
        if (serving := serving_of(run)) is not None:
            found.append((run, serving))
    return found


def _busy(run: Run) -> BusyError:
    found = serving_of(run)
    by = f" at {found.url}, by process {found.pid} since {found.began}" if found else ""
    return BusyError(Problem(f"{run.name} is already served{by}", str(run.path), "conch stop"))
