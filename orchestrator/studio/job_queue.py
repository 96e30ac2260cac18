"""The queue of jobs: one training at a time, in the order of arrival.

A job's run is started as `conch run --detach` starts one, so it outlives this server. The record of a job is
written before anything happens to it, and what happened is read from the run: after a kill at any moment the
next server goes on. Starting a job twice does no harm, because the run's lock lets one work and the same
recipe continues the same run.

    queued → running → succeeded | failed | cancelled;  queued or running → paused → queued
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import BusyError, ConchError, Problem
from orchestrator.execute.host.tell import tell
from orchestrator.execute.processes.spawn_daemon import detach, request_of
from orchestrator.execute.run_store import run_lock
from orchestrator.execute.run_store.listing import RunSummary, Standing, read_state, summary_of
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.stop import stop_project
from orchestrator.studio import job_facts
from orchestrator.studio.errors import summary
from orchestrator.studio.store import Record, Store, now
from orchestrator.studio.uploads import add_results

QUEUED, RUNNING, PAUSED = "queued", "running", "paused"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
WAITING = (QUEUED, PAUSED)
UNFINISHED = (QUEUED, RUNNING, PAUSED)
# A run that was killed is continued so often: out of memory kills again and again.
MOST_STARTS = 4
_POLL = 0.5


@dataclass
class JobQueue:
    """Starts and follows the jobs of a project in a thread of its own.

    Attributes:
        make_room: called while a job runs, and before one starts; False while it must wait for models in use.
        rest: called when no job runs or waits.
    """

    project: Path
    store: Store
    make_room: Callable[[], bool] = lambda: True
    rest: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._wake, self._closing = threading.Event(), threading.Event()
        self._stopping: dict[str, threading.Thread] = {}
        self._thread = threading.Thread(target=self._work, name="job-queue", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what runs goes on without this server."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=30)

    def wake(self) -> None:
        """Look at once: something has changed."""
        self._wake.set()

    def cancel(self, name: str) -> Record | None:
        """Cancel a job; None if it is over."""
        return self._wish(name, CANCELLED)

    def pause(self, name: str) -> Record | None:
        """Pause a job, which saves a checkpoint; None if it is over or paused already."""
        return self._wish(name, PAUSED)

    def resume(self, name: str) -> Record | None:
        """Put a paused job back where it was in the queue; None if it is not paused."""
        return self._changed(self.store.change("jobs", name, (PAUSED,), state=QUEUED, wish="", starts=0))

    def _wish(self, name: str, wish: str) -> Record | None:
        times = {"finished_at": now()} if wish == CANCELLED else {}
        waiting = (QUEUED,) if wish == PAUSED else WAITING
        done = self.store.change("jobs", name, waiting, state=wish, **times)
        return self._changed(done or self.store.change("jobs", name, (RUNNING,), wish=wish))

    def _changed(self, record: Record | None) -> Record | None:
        self.wake()
        return record

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001  the queue must outlive a job that cannot be read
                tell(f"studio: the queue failed, and goes on: {type(error).__name__}: {error}")
            self._wake.wait(_POLL)
            self._wake.clear()

    def turn(self) -> None:
        """Look at the job that runs, and start the next one if none does."""
        for job in self.store.all("jobs", state=RUNNING):
            try:
                self._look(job)
            except ConchError as error:  # its folder cannot be read: the others must not wait for it
                self._fail(str(job["id"]), "run_unreadable", error.problems)
        running, waiting = self.store.all("jobs", state=RUNNING), self.store.all("jobs", state=QUEUED)
        if not running and not waiting:
            self.rest()
        elif self.make_room() and not running:
            self._begin(waiting[0])

    def _begin(self, job: Record) -> None:
        name = str(job["id"])
        started = {"started_at": job.get("started_at") or now(), "starts": _count(job["starts"]) + 1}
        if self.store.change("jobs", name, (QUEUED,), state=RUNNING, **started):
            self._start(name, job)

    def _start(self, name: str, job: Record) -> None:
        try:
            detach(request_of("run", name, stages=job["stages"]), project=self.project)
        except BusyError:  # a start before this one, by a server that was killed, has it
            return
        except ConchError as error:
            self._fail(name, "start_failed", error.problems)

    def _look(self, job: Record) -> None:
        """Bring a job that was running up to date with its run."""
        name, wish = str(job["id"]), str(job["wish"])
        run = Run.last(self.project, name)
        if run is None:
            if wish:
                self._end(name, wish)
            elif not run_lock.is_held(self.project, name):
                self._start(name, job)  # the server was killed before the run began
            return
        found = summary_of(run)
        if found.standing in (Standing.RUNNING, Standing.NEW) or run_lock.is_held(self.project, name):
            if wish:
                self._stop(name, run)
        elif found.standing is Standing.DONE:
            self._succeed(job, run)
        elif found.standing is Standing.REFUTED:
            self._fail(name, *job_facts.refutation(run))
        elif wish:
            self._end(name, wish)
        else:
            self._unfinished(job, run, found)

    def _unfinished(self, job: Record, run: Run, found: RunSummary) -> None:
        """What becomes of a job whose run ended early although nobody asked this server for it."""
        name = str(job["id"])
        if found.standing is Standing.FAILED:
            self._fail(name, "training_failed", [Problem(found.reason or f"stage {found.stage} failed")])
        elif (
            found.standing is Standing.STOPPED
            and read_state(run).get("boot") == run_lock.this_process()["boot"]
        ):
            self._end(name, PAUSED)  # by `conch stop`; after a reboot it goes on by itself
        elif _count(job["starts"]) >= MOST_STARTS:
            what = f"the run was killed {MOST_STARTS} times, the last time in stage {found.stage}"
            self._fail(name, "killed", [Problem(what, hint=f"conch logs {name}")])
        else:
            self.store.change("jobs", name, (RUNNING,), state=QUEUED)

    def _stop(self, name: str, run: Run) -> None:
        """Ask a run to end, which takes until its checkpoint is saved, without waiting for it."""
        before = self._stopping.get(name)
        if before is None or not before.is_alive():
            stopping = threading.Thread(
                target=stop_project, args=(self.project,), kwargs={"run": run}, daemon=True
            )
            self._stopping[name] = stopping
            stopping.start()

    def _end(self, name: str, state: str) -> None:
        self.store.change(
            "jobs", name, (RUNNING,), state=state, wish="", finished_at=None if state == PAUSED else now()
        )

    def _fail(self, name: str, code: str, problems: Sequence[Problem]) -> None:
        error = {"code": code, "message": summary(problems) or "it failed", "param": None}
        self.store.change("jobs", name, (RUNNING,), state=FAILED, wish="", error=error, finished_at=now())

    def _succeed(self, job: Record, run: Run) -> None:
        name = str(job["id"])
        results = add_results(
            self.project,
            self.store,
            name=f"file-{name.removeprefix('ftjob-')}",
            owner=str(job["owner"]),
            filename=f"{name}-step_metrics.csv",
            text=job_facts.results_csv(run),
        )
        done = {"result_files": [results["id"]], "finished_at": now()}
        self.store.change("jobs", name, (RUNNING,), state=SUCCEEDED, wish="", **done)


def unfinished(store: Store, owners: Sequence[str] | None = None) -> list[Record]:
    """The jobs of these owners (None: of all) that are not over."""
    return [job for job in store.all("jobs", owners) if job["state"] in UNFINISHED]


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
