"""A server: started cold, or warmed and released; proven ready; stopped.

Ready means that the very server that was started gave a real answer: it reports that it is up, the processes
that listen on its port are those that were started, and it completed one token under the recipe's model name
(a reward model: gave one score).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.backends.engines import ENGINES, engine_behind
from orchestrator.backends.symptoms import lacks, last_lines, latest_phase
from orchestrator.errors import ConchError, MissingError, Problem, StageFailed, TimedOut
from orchestrator.execute.host import gpu, signals
from orchestrator.execute.host.ports import LOOPBACK, free_port, reachable, taken
from orchestrator.execute.launchers import Launched, Launcher, local
from orchestrator.execute.models.model_folder import read_sampling
from orchestrator.execute.processes.child_environment import Symbols, child_environment, resolve_argv
from orchestrator.execute.processes.diagnosis import explain_failure, read_ends
from orchestrator.execute.servers.engines import server_api
from orchestrator.execute.servers.health import Canary, health_client
from orchestrator.outside import Outside, listed
from orchestrator.plan.stage import Service

CANARY_SECONDS = 60.0
GRACE = 15.0
_POLL_SECONDS = 0.2
# Looks until a socket without a living owner is that of another server.
_CLOSING = 10
_REPORT_SECONDS = 5.0
_BUSY_SHARE = 0.02

Progress = Callable[[str], None]


@dataclass(slots=True)
class Running:
    """A started server.

    Attributes:
        host, port: where it listens.
        key: the API key that clients must send, None for none.
        began: time.monotonic() of the start, or of the release of a warm server.
        since: byte of the log at which its output begins.
    """

    service: Service
    process: Launched
    host: str
    port: int
    key: str | None = field(default=None, repr=False)
    began: float = field(default_factory=time.monotonic)
    since: int = 0

    @property
    def url(self) -> str:
        """The base URL of an OpenAI client."""
        host = reachable(self.host)
        return f"http://[{host}]:{self.port}/v1" if ":" in host else f"http://{host}:{self.port}/v1"

    def check(self) -> None:
        """Raise StageFailed or MissingError with the cause if the server died."""
        code = self.process.poll()
        if code is not None:
            raise self._died(code)

    def wait_ready(self, progress: Progress = lambda _: None) -> float:
        """Wait for the first real answer and report progress; returns the seconds since the start.

        Raises TimedOut if it stalls or takes too long, StageFailed if it dies or answers wrongly, and
        MissingError if something is missing or another server has its port.
        """
        watch = _Watch(self)
        api = server_api(self.service.engine)
        with health_client(reachable(self.host), self.port, self.key) as client:
            while not (api.is_up(client) and self._is_ours() and self._lists_model(api.models(client))):
                self._pause(watch, progress)
            canary = Canary(self.url, self.service.model, self.key, scores=self.service.scores)
            while not canary.finished(_POLL_SECONDS):
                if canary.seconds() > CANARY_SECONDS:
                    given = "score" if self.service.scores else "token"
                    raise self._late(
                        f"the server is up, but its engine gave no {given} in {CANARY_SECONDS:.0f} s"
                    )
                self._pause(watch, progress, sleep=0)
        self._refuse_foreign_answer()
        if canary.problem:
            raise StageFailed(Problem(f"{self.service.name}: {canary.problem}", str(self.process.log)))
        return time.monotonic() - self.began

    def stop(self, grace: float = GRACE) -> list[int]:
        """Stop the server and everything it started; safe to repeat."""
        return self.process.stop(grace)

    def _pause(self, watch: _Watch, progress: Progress, sleep: float = _POLL_SECONDS) -> None:
        signals.check()
        self.check()
        seconds = time.monotonic() - self.began
        if seconds > self.service.ready_timeout:
            raise self._late(f"not ready after {seconds:.0f} s ({watch.phase})")
        if watch.idle() > self.service.stall_timeout:
            raise self._late(f"hung: no output and no work for {watch.idle():.0f} s ({watch.phase})")
        if watch.is_time_to_report():
            progress(f"{self.service.name}: {watch.phase}, {seconds:.0f} s")
        time.sleep(sleep)

    def _is_ours(self) -> bool:
        """Whether our processes listen on its port; MissingError if others do."""
        ours = self.process.listens(self.host, self.port)
        if ours is False:
            self.check()
            raise taken(self.port, "another server answers there")
        return bool(ours)

    def _refuse_foreign_answer(self) -> None:
        """MissingError if another server shares the port by now, and may have answered.

        A socket outlives its killed process for a moment: one that died after its answer was ready once.
        """
        for _ in range(_CLOSING):
            if self.process.poll() is not None or self.process.listens(self.host, self.port) is not False:
                return
            time.sleep(_POLL_SECONDS)
        raise taken(self.port, "another server answers there")

    def _lists_model(self, models: list[Outside] | None) -> bool:
        """Whether it lists the model; StageFailed if it lists only others."""
        if models is None or Outside(self.service.model) in models:
            return models is not None
        what = f"{self.service.name}: it does not serve {self.service.model}; it serves: {listed(models)}"
        raise StageFailed(Problem(what, str(self.process.log)))

    def _late(self, what: str) -> TimedOut:
        tail = last_lines(self._log(), 8)
        hint = "if the machine is slow, raise serve.ready_timeout"
        return TimedOut(Problem(f"{self.service.name}: {what}\n{tail}", str(self.process.log), hint))

    def _died(self, code: int) -> ConchError:
        hide = (self.key,) if self.key else ()
        problem = explain_failure(self.process.log, code, hide=hide, since=self.since)
        what = f"{self.service.name}: {problem.what}{_holders(problem.what)}"
        cause = Problem(what, problem.where, problem.hint)
        if "port is taken" in problem.what:
            return taken(self.port, "it is in use")
        return MissingError(cause) if lacks(self._log()) else StageFailed(cause)

    def _log(self) -> str:
        text = read_ends(self.process.log, self.since)
        return text.replace(self.key, "***") if self.key else text


def _holders(what: str) -> str:
    """Which processes hold the GPU, if its memory is what is missing."""
    found = gpu.holders() if "GPU memory" in what else []
    return f"; held by {', '.join(map(str, found[:5]))}" if found else ""


class _Watch:
    """The phase of a starting server, and how long it has been idle."""

    def __init__(self, running: Running) -> None:
        engine = ENGINES.get(running.service.engine)
        self._phases = engine.phases if engine else ()
        self.phase = self._phases[0][1] if self._phases else "starting"
        self._process = running.process
        self._offset = running.since
        self._cpu = 0.0
        self._active = self._looked = self._reported = time.monotonic()

    def is_time_to_report(self) -> bool:
        now = time.monotonic()
        if now - self._reported < _REPORT_SECONDS:
            return False
        self._reported = now
        return True

    def idle(self) -> float:
        """Seconds without a new byte in the log and without notable CPU time."""
        now = time.monotonic()
        if now - self._looked > min(1.0, _REPORT_SECONDS):
            self._looked = now
            cpu = self._process.cpu_seconds()
            worked = abs(cpu - self._cpu) > max(0.05, _BUSY_SHARE * (now - self._active))
            if self._read() or worked:
                self._active, self._cpu = now, cpu
        return now - self._active

    def _read(self) -> bool:
        with self._process.log.open("rb") as log:
            log.seek(self._offset)
            fresh = log.read(1 << 20)
        self._offset += len(fresh)
        self.phase = latest_phase(fresh.decode("utf-8", "replace"), self._phases) or self.phase
        return bool(fresh)


@dataclass(slots=True)
class Warm:
    """A server process that has imported its libraries and waits to be released; attributes as in Running."""

    service: Service
    process: Launched
    cwd: Path
    key: str | None = field(default=None, repr=False)
    since: int = 0

    def release(self, symbols: Symbols, *, host: str = LOOPBACK, port: int | None = None) -> Running:
        """Let it serve: write the words of its command behind the program as one line of JSON.

        If it died before, nothing of it is left.
        """
        chosen, argv = _address(self.service, symbols, self.cwd, host, port)
        running = Running(self.service, self.process, host, chosen, self.key, since=self.since)
        try:
            running.check()
        except ConchError:
            self.stop()
            raise
        self.process.write_line(json.dumps(argv[1:]))
        return running

    def stop(self, grace: float = 2.0) -> list[int]:
        """Stop it unreleased."""
        return self.process.stop(grace)


def start_warm(
    service: Service,
    *,
    symbols: Symbols,
    cwd: Path,
    run_tag: str,
    log: Path,
    key: str | None = None,
    launcher: Launcher = local,
) -> Warm:
    """Start a service's warm command, in the environment that the server keeps."""
    if service.warm is None:
        raise ValueError(f"{service.name} has no warm command")
    env = child_environment(service.warm, run_tag=run_tag, symbols=symbols, extra=_secret(service, key))
    since = log.stat().st_size if log.exists() else 0
    process = launcher.start(resolve_argv(service.warm, symbols), cwd=cwd, env=env, log=log, with_input=True)
    return Warm(service, process, cwd, key, since)


def start_service(
    service: Service,
    *,
    symbols: Symbols,
    cwd: Path,
    run_tag: str,
    log: Path,
    key: str | None = None,
    host: str = LOOPBACK,
    port: int | None = None,
    launcher: Launcher = local,
) -> Running:
    """Start a service cold, on a free port when none is given."""
    chosen, argv = _address(service, symbols, cwd, host, port)
    env = child_environment(service.command, run_tag=run_tag, symbols=symbols, extra=_secret(service, key))
    since = log.stat().st_size if log.exists() else 0
    process = launcher.start(argv, cwd=cwd, env=env, log=log)
    return Running(service, process, host, chosen, key, since=since)


def _address(
    service: Service, symbols: Symbols, cwd: Path, host: str, port: int | None
) -> tuple[int, tuple[str, ...]]:
    chosen = free_port(host, port or 0)
    argv = resolve_argv(service.command, {**symbols, "port": str(chosen)})
    if not service.sampling:
        return chosen, argv
    return chosen, (*argv, *engine_behind(service).sampling(read_sampling(cwd / service.sampling)))


def _secret(service: Service, key: str | None) -> dict[str, str]:
    return {engine_behind(service).key_variable: key} if key else {}
