"""The queue: jobs in the order of arrival, one at a time, through every way in which a run can end."""
# Covers studio/job_queue.py studio/job_facts.py

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.errors import BusyError, MissingError, Problem
from orchestrator.execute.run_store import run_lock
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.studio import job_facts, job_queue
from orchestrator.studio.job_queue import MOST_STARTS, JobQueue
from orchestrator.studio.store import Record, Store


@dataclass
class Runs:
    """Stands for `conch run --detach`: a run that this process works on, until it is ended."""

    project: Path
    started: list[str] = field(default_factory=list)
    error: Exception | None = None
    working: dict[str, ExitStack] = field(default_factory=dict)

    def detach(self, request: Mapping[str, object], *, project: Path) -> None:
        name = str(request["recipe"])
        self.started.append(name)
        if self.error:
            raise self.error
        held = self.working[name] = ExitStack()
        held.enter_context(run_lock.hold(project, name))
        self.begin(name)

    def begin(self, name: str) -> None:
        (Run.last(self.project, name) or Run.create(self.project, name)).begin("training")

    def end(self, name: str, code: int | None, reason: str = "") -> None:
        """End it, orderly or (None) by a kill."""
        if code is not None:
            run = Run.last(self.project, name)
            assert run is not None
            run.end(code, reason)
        self.working.pop(name).close()


@pytest.fixture
def store(project: Path) -> Iterator[Store]:
    made = Store(project)
    made.rebuild()
    yield made
    made.close()


@pytest.fixture
def runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    made = Runs(project)
    monkeypatch.setattr(job_queue, "detach", made.detach)
    yield made
    for held in made.working.values():
        held.close()


@pytest.fixture
def queue(project: Path, store: Store, runs: Runs) -> JobQueue:
    return JobQueue(project, store)


def add(store: Store, name: str, created: float) -> str:
    record: Record = {
        "id": f"ftjob-{name}",
        "owner": "",
        "created_at": created,
        "state": "queued",
        "wish": "",
    }
    record |= {"starts": 0, "stages": [], "finished_at": None, "error": None, "served": f"ft:b::{name}"}
    store.put("jobs", record | {"started_at": None, "result_files": []})
    return f"ftjob-{name}"


def state(store: Store, name: str) -> object:
    found = store.get("jobs", name, [""])
    assert found is not None
    return found["state"]


def test_one_at_a_time_in_the_order_of_arrival(queue: JobQueue, store: Store, runs: Runs) -> None:
    second, first = add(store, "b", 2.0), add(store, "a", 1.0)
    for _ in range(3):
        queue.turn()
    assert runs.started == [first], "one training at a time"
    runs.end(first, 0)
    queue.turn()
    assert runs.started == [first, second]
    assert (state(store, first), state(store, second)) == ("succeeded", "running")
    done = store.get("jobs", first, [""])
    assert done is not None
    assert store.get("files", str(done["result_files"][0]), [""]), "the metrics are a file"  # type: ignore[index]


def test_a_training_waits_until_its_machine_is_free(queue: JobQueue, store: Store, runs: Runs) -> None:
    free = [False]
    queue.make_room = lambda: free[0]
    name = add(store, "a", 1.0)
    queue.turn()
    assert (runs.started, state(store, name)) == ([], "queued")
    free[0] = True
    queue.turn()
    assert state(store, name) == "running"


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [(4, "the trainer died", "the trainer died"), (5, "", "0 of 0 answers to taught questions are wrong")],
)
def test_a_run_that_failed_fails_its_job_with_the_reason(  # noqa: PLR0917  pytest gives them by name
    queue: JobQueue, store: Store, runs: Runs, code: int, reason: str, said: str
) -> None:
    name = add(store, "a", 1.0)
    queue.turn()
    runs.end(name, code, reason)
    queue.turn()
    job = store.get("jobs", name, [""])
    assert job is not None
    assert (job["state"], said in str(job["error"])) == ("failed", True), job
    assert any(
        said in str(event["message"])
        for event in job_facts.events(job, Run.last(store.folder.parents[1], name))
    )


def test_a_start_that_is_refused_fails_its_job(queue: JobQueue, store: Store, runs: Runs) -> None:
    name = add(store, "a", 1.0)
    runs.error = MissingError(Problem("the train environment is not installed"))
    queue.turn()
    assert state(store, name) == "failed"


def test_a_killed_run_goes_on_but_not_for_ever(queue: JobQueue, store: Store, runs: Runs) -> None:
    name = add(store, "a", 1.0)
    for number in range(1, MOST_STARTS + 1):
        queue.turn()
        assert (state(store, name), len(runs.started)) == ("running", number)
        runs.end(name, None)
        queue.turn()
        if number < MOST_STARTS:  # the same turn put it back and started it
            queue.turn()
            assert state(store, name) == "running"
            runs.started.pop()
            runs.started.append(name)
    assert state(store, name) == "failed"


def test_paused_resumed_and_cancelled(
    queue: JobQueue, store: Store, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []

    def stop(_: Path, *, run: Run) -> None:
        stopped.append(run.recipe)
        runs.end(run.recipe, 143)

    monkeypatch.setattr(job_queue, "stop_project", stop)
    first, second = add(store, "a", 1.0), add(store, "b", 2.0)
    queue.turn()
    assert queue.pause(first)
    assert state(store, first) == "running", "until its checkpoint is saved"
    settle(queue, store, first, "paused")
    assert stopped == [first]
    assert queue.pause(first) is None
    queue.turn()
    assert state(store, second) == "running", "a paused job lets the next one begin"
    assert queue.resume(first)
    assert queue.resume(first) is None
    assert queue.cancel(first)
    assert state(store, first) == "cancelled", "at once, while it waits"
    assert queue.cancel(second)
    settle(queue, store, second, "cancelled")
    assert queue.cancel(second) is None
    assert queue.resume(second) is None


def settle(queue: JobQueue, store: Store, name: str, wanted: str) -> None:
    for _ in range(50):
        queue.turn()
        for thread in queue._stopping.values():
            thread.join()
        if state(store, name) == wanted:
            return
    raise AssertionError(state(store, name))


def test_stopped_on_the_command_line_it_is_paused_after_a_reboot_it_goes_on(
    queue: JobQueue, store: Store, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = add(store, "a", 1.0)
    queue.turn()
    runs.end(name, 143)
    queue.turn()
    assert state(store, name) == "paused"
    queue.resume(name)
    queue.turn()
    runs.end(name, 143)
    monkeypatch.setattr(run_lock, "_boot", lambda: "another")
    queue.turn()
    assert state(store, name) == "queued" or runs.started[-1] == name
    assert state(store, name) != "paused"


def test_a_server_that_was_killed_while_it_started_a_job_loses_nothing(
    queue: JobQueue, store: Store, runs: Runs, project: Path
) -> None:
    name = add(store, "a", 1.0)
    store.change("jobs", name, ("queued",), state="running", starts=1)  # and no run: killed before it
    queue.turn()
    assert (runs.started, state(store, name)) == ([name], "running")
    # Or the run began, and its server was killed before it knew.
    other = JobQueue(project, store)
    runs.error = BusyError(Problem("another run is in progress"))
    other.turn()
    assert state(store, name) == "running"
    runs.end(name, 0)
    other.turn()
    assert (runs.started, state(store, name)) == ([name], "succeeded"), "not twice"
