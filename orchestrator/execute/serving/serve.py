"""Serve an export: find it, check its proof, start the server, supervise it, stop everything."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.backends.engines import engine_of, sampled_folder
from orchestrator.errors import (
    CheckFailed,
    ConchError,
    Interrupted,
    MissingError,
    Problem,
    StageFailed,
    TimedOut,
    UsageError,
)
from orchestrator.execute.environments import registry
from orchestrator.execute.host import atomic_files, gpu, signals
from orchestrator.execute.host.ports import free_port
from orchestrator.execute.inference.token_server import CLASSIFY
from orchestrator.execute.launchers import LAUNCHERS
from orchestrator.execute.models.model_folder import read_sampling
from orchestrator.execute.processes import process_tree, watchdog
from orchestrator.execute.processes.child_environment import symbols_of
from orchestrator.execute.run_store.certify import TEMPLATE, read_certificate, refuse_unproven
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.server_record import Serving, hold_serving, write_serving
from orchestrator.execute.run_store.stop import sweep_leftovers
from orchestrator.execute.runner.existing_run import finished_run
from orchestrator.execute.runner.rendered import refuse_edited
from orchestrator.execute.servers.liveness import Limits, Liveness
from orchestrator.execute.servers.restarts import Restarts
from orchestrator.execute.servers.service import Running, start_service
from orchestrator.plan.job import Job
from orchestrator.plan.stage import RenderedFile

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
LIMITS = Limits()
_CONFIG = "serve.yaml"
_OTHER_TEMPLATE = "serve.jinja"


def serve(
    job: Job,
    *,
    project: Path,
    listen: tuple[str, int],
    key: str | None,
    progress: Callable[[str], None],
    on_ready: Callable[[Serving], None] = lambda _: None,
    on_begin: Callable[[Run], object] = lambda _: None,
    detached: bool = False,
) -> None:
    """Serve until a signal; returns after Ctrl-C, when no process is left.

    `listen` is host and port; None or "" as the key means that clients need none. `on_begin` gets the run
    that is served; `on_ready` is called when the server answers for the first time. `detached`: there is no
    terminal.
    """
    host, port = listen
    engine = engine_of(job)
    if host not in _LOOPBACK and job.kind.scores:
        what = f"{host} is open to the network, and the key does not guard {CLASSIFY}: anyone could score"
        raise UsageError(Problem(what, hint="a reward model is served on 127.0.0.1 only: omit --host"))
    if host not in _LOOPBACK:
        _guard_open_host(host, key, engine.open_paths, progress)
    run = finished_run(project, job.recipe.name)
    check_proof(run, accept=job.accept_mismatch, progress=progress)
    template = served_template(job, run, progress)
    environment = registry.require("serve", job.hardware)
    service = engine.service(job, name="serve", folder="export", warm_during="", config=_CONFIG, host=host)
    service = replace(service, sampling=sampled_folder(job))
    if not service.scores:
        report_sampling(job, run, progress)
    symbols = symbols_of({"serve": str(environment)}, project)
    run_tag = process_tree.new_run_tag(project, run.path)
    with signals.catch_signals(), hold_serving(run), watchdog.guarded(run_tag):
        for process_left in sweep_leftovers(project, run.path):
            progress(f"stopped process {process_left.pid}, left by a command that was killed")
        free_port(host, port)
        on_begin(run)
        config = RenderedFile(_CONFIG, engine.config(job, chat_template=template))
        shown = RenderedFile(template, (run.path / template).read_text(encoding="utf-8"))
        atomic_files.write_durable(run.path / _CONFIG, config.text)
        progress(f"serving {run.name}/export as {service.model}")

        def start() -> Running:
            refuse_edited(run.path, (config, shown))  # a restart may be days later
            return start_service(
                service,
                symbols=symbols,
                cwd=run.path,
                run_tag=run_tag,
                log=run.path / "logs" / "serve.log",
                key=key,
                host=host,
                port=port,
                launcher=LAUNCHERS[job.recipe.launch.launcher],
            )

        restarts = Restarts(job.recipe.serve.restart)
        try:
            _Supervised(run, start, progress, restarts, detached=detached).run(on_ready)
        except Interrupted as error:
            if error.signum != signal.SIGINT:  # Ctrl-C is the normal end of a server
                raise


class _Supervised:
    """A server that is restarted when that may help, until a signal."""

    def __init__(
        self,
        run: Run,
        start: Callable[[], Running],
        progress: Callable[[str], None],
        restarts: Restarts,
        *,
        detached: bool,
    ) -> None:
        self._run, self._start, self._progress, self._restarts = run, start, progress, restarts
        self._detached = detached
        self._began = _now()

    def run(self, on_ready: Callable[[Serving], None]) -> None:
        """Start it, watch it, and restart it; nothing is left of it afterwards."""
        reported = False
        while True:
            server = self._start()
            was_ready = False
            try:
                self._write(server)
                seconds = server.wait_ready(self._progress)
                was_ready = True
                record = self._write(server, ready=_now())
                how = "conch stop stops it" if self._detached else "Ctrl-C stops it"
                self._progress(
                    f"ready in {seconds:.0f} s: {server.url}  model {server.service.model}  ({how})"
                )
                if not reported:
                    on_ready(record)
                    reported = True
                self._watch(server)
            except (StageFailed, TimedOut) as error:
                self._stop(server)
                self._pause(error, was_ready=was_ready or reported)
            finally:
                self._stop(server)

    def _watch(self, server: Running) -> None:
        service = server.service
        liveness = Liveness(
            server.url, service.model, server.key, service.engine, LIMITS, scores=service.scores
        )
        try:
            while True:
                signals.check()
                server.check()
                if liveness.problem:
                    what = f"the server is up, but hangs: {liveness.problem}"
                    hint = "see the end of the log for the reason"
                    raise TimedOut(Problem(what, str(server.process.log), hint))
                time.sleep(0.2)
        finally:
            liveness.close()

    def _pause(self, error: ConchError, *, was_ready: bool) -> None:
        """Wait before the next start; raise the error if there is none."""
        delay = self._restarts.delay(time.monotonic(), was_ready=was_ready)
        if delay is None:
            raise error
        self._run.append_event({"event": "server_restarted", "why": str(error)}, durable=True)
        self._progress(f"{error.problems[0].what}: restarting in {delay:.0f} s")
        until = time.monotonic() + delay
        while time.monotonic() < until:
            signals.check()
            time.sleep(0.1)

    def _stop(self, server: Running) -> None:
        stopped = server.stop()
        if stopped:
            self._progress(f"stopped {len(stopped)} processes")
        for holder in gpu.still_held(stopped):
            self._progress(f"warning: {holder} still holds GPU memory")

    def _write(self, server: Running, *, ready: str = "") -> Serving:
        pid = os.getpid()
        record = Serving(
            run=self._run.name,
            url=server.url,
            model=server.service.model,
            pid=pid,
            ticks=process_tree.start_ticks(pid),
            began=self._began,
            ready=ready,
            restarts=len(self._restarts.at),
            detached=self._detached,
        )
        write_serving(self._run, record)
        return record


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_proof(run: Run, *, accept: bool, progress: Callable[[str], None] = lambda _: None) -> None:
    """Refuse an export that was not proven; or that failed or changed since, unless `accept` is given."""
    certificate = read_certificate(run.path, recipe=run.recipe)
    try:
        refuse_unproven(certificate, run.path, recipe=run.recipe)
    except CheckFailed as error:
        if not accept:
            hint = Problem("not served", hint="to serve it anyway, use --accept-mismatch")
            raise CheckFailed(*error.problems, hint) from None
        for problem in error.problems:
            progress(f"accepted: {problem.what}")
    if certificate["not_proven"]:
        progress(f"not proven: {', '.join(certificate['not_proven'])} (conch prove {run.recipe})")


def served_template(job: Job, run: Run, progress: Callable[[str], None]) -> str:
    """The chat template's file in the run folder: the proven one, or the accepted one that the user gave."""
    proven = run.path / TEMPLATE
    if job.chat_template in {job.template.text, proven.read_text(encoding="utf-8")}:
        return TEMPLATE
    if not job.accept_mismatch:
        what = "this chat template is not the one that was proven"
        hint = f"conch parity {job.recipe.name} --chat-template FILE shows where they differ;"
        raise CheckFailed(Problem(what, hint=f"{hint} to serve it anyway, use --accept-mismatch"))
    atomic_files.write_durable(run.path / _OTHER_TEMPLATE, job.chat_template)
    progress("accepted: a different chat template than the one that was proven")
    return _OTHER_TEMPLATE


def report_sampling(job: Job, run: Run, progress: Callable[[str], None]) -> None:
    """Say how the export samples, and if the recipe has other values since."""
    exported = read_sampling(run.path / "export")
    progress(f"a client that names no sampling value gets: {exported.words}")
    chosen = read_sampling(run.path / "export", job.recipe.serve.sampling.given)
    if chosen != exported:
        again = f"conch run {job.recipe.name}"
        progress(f"not applied: serve.sampling is now {chosen.words}; {again} exports and verifies it")


def _guard_open_host(host: str, key: str | None, open_paths: str, progress: Callable[[str], None]) -> None:
    if not key:
        hint = "set CONCH_API_KEY or give --key-file; or listen on 127.0.0.1"
        raise MissingError(Problem(f"{host} is open to the network, and there is no key", hint=hint))
    unguarded = f"; the key does not protect {open_paths}" if open_paths else ""
    progress(f"warning: {host} is open to the network{unguarded}")
