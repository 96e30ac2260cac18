"""The record of a run's server: its address and the process that supervises it.

runs/RECIPE/ID/serving.json         exists while it is up, and after its supervisor was killed
runs/RECIPE/ID/.serving.lock        for which supervisors compete
runs/RECIPE/ID/.serving.holder.json the supervisor, locked while it lives: it says if the server is up
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.errors import BusyError, Problem
from orchestrator.execute.host.atomic_files import read_json, write_durable
from orchestrator.execute.host.file_lock import exclusive, live_record, read_live
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import Holder, holder_in, this_process
from orchestrator.execute.run_store.run_paths import recipes_of

RECORD = "serving.json"
_LOCK = ".serving.lock"
_HOLDER = ".serving.holder.json"


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
    lock, record = run.path / _LOCK, json.dumps(this_process())
    mutex = exclusive(lock, lambda: _busy(run), is_held=lambda: is_up(run))
    with mutex, live_record(run.path / _HOLDER, record):
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
    return supervisor(run) is not None


def supervisor(run: Run) -> Holder | None:
    """The process that supervises a server of this run; None if there is none."""
    return holder_in(read_live(run.path / _HOLDER))


def is_lost(run: Run, serving: Serving) -> bool:
    """Whether the server lives although its supervisor is gone."""
    owner = (serving.pid, serving.ticks)
    members = process_tree.scan(process_tree.run_prefix(run.project, run.path))
    return not is_up(run) and any(process_tree.owner_of(one.run_tag) == owner for one in members)


def all_serving(project: Path) -> list[tuple[Run, Serving]]:
    """Every run with a record of a server, and the record."""
    runs = (run for recipe in recipes_of(project) for run in Run.all(project, recipe))
    return [(run, serving) for run in runs if (serving := serving_of(run)) is not None]


def _busy(run: Run) -> BusyError:
    found = serving_of(run)
    by = f" at {found.url}, by process {found.pid} since {found.began}" if found else ""
    return BusyError(Problem(f"{run.name} is already served{by}", str(run.path), "conch stop"))
