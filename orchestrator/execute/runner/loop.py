"""The one loop: stages in order, each skipped when its inputs are unchanged.

A stage begins by rendering its files and ends by renaming its outputs; in between its commands run, each a
process with a log. Whatever happens, nothing is left running.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.backends.llamafactory import resumed
from orchestrator.errors import CheckFailed, ConchError, Interrupted, exit_code_of
from orchestrator.execute.host import atomic_files, signals
from orchestrator.execute.launchers import LAUNCHERS, Launcher
from orchestrator.execute.launchers.commands import ParallelCommand, outcome, problems_file, run_command
from orchestrator.execute.launchers.network import offline_commands
from orchestrator.execute.processes.confinement import confinement
from orchestrator.execute.processes.process import StopEarly
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.fingerprint import fingerprint, stage_key
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.checkpoints import closing, last_checkpoint
from orchestrator.execute.runner.log_follower import Follower, StallWatch
from orchestrator.execute.runner.rendered import is_as_rendered, refuse_edited
from orchestrator.execute.runner.stage_cache import adopt
from orchestrator.execute.servers.service import Running, Warm, start_service, start_warm
from orchestrator.plan.stage import Command, Plan, RenderedFile, Stage, partial
from orchestrator.results import StageResult, Status

# Looks at a server that a failed command may have lost, 50 ms apart.
_DYING = 10


@dataclass(slots=True)
class Loop:
    """One pass over a plan in one run folder.

    Attributes:
        again: run every stage, cached or not: files that no cache key covers may have changed.
    """

    plan: Plan
    run: Run
    symbols: Mapping[str, str]
    lockfiles: Mapping[str, str]
    progress: Progress
    run_tag: str
    again: bool = False
    hashes: dict[str, str] = field(default_factory=dict)
    warm: dict[str, Warm] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    confinement_told: bool = False
    rendered: dict[str, RenderedFile] = field(default_factory=dict)

    @property
    def _launcher(self) -> Launcher:
        return LAUNCHERS[self.plan.launcher]

    def perform(self) -> tuple[StageResult, ...]:
        """Run every stage in turn; stop at a gate that fails; leave no process."""
        runs: list[StageResult] = []
        try:
            for number, stage in enumerate(self.plan.stages, start=1):
                signals.check()
                runs.append(self._stage(number, stage))
                if runs[-1].status is Status.REFUTED and stage.gate:
                    break
        except ConchError as error:
            self.run.end(exit_code_of(error), str(error))
            raise
        finally:
            started: list[Warm | Running] = [*self.warm.values(), *self.running.values()]
            for server in started:
                server.stop()
        refuted = any(run.status is Status.REFUTED for run in runs)
        self.run.end(CheckFailed.exit_code if refuted else 0)
        return tuple(runs)

    def _stage(self, number: int, stage: Stage) -> StageResult:
        key = self._key(stage)
        done = self._unchanged(stage, key)
        reason = done or ("" if self.again else adopt(stage, key, self.run))
        if reason:
            self._render(stage)  # a later stage may read what this one rendered
            if not done:
                self._note_outputs(stage)
            status = Status.SKIPPED if done else Status.DONE
            run = StageResult(stage.name, status, reason, outputs=self._hashes(stage.outputs))
            if not done:
                self.run.end_stage(run, key)
            self.progress.end(run)
            return run
        self.progress.start(number, len(self.plan.stages), stage.name, self._why(stage, key))
        began = time.monotonic()
        resumed_stage = self._resumed(stage, key)
        self.run.begin_stage(stage.name, key, offline=self._offline(stage))
        try:
            code = self._perform(resumed_stage or stage, fresh=resumed_stage is None)
        except ConchError as error:
            self._record_failure(stage, key, error, time.monotonic() - began)
            raise
        status = Status.REFUTED if code else Status.DONE
        self._note_outputs(stage)
        run = StageResult(
            stage.name,
            status,
            exit_code=code,
            seconds=time.monotonic() - began,
            log=f"logs/{stage.name}.log",
            inputs=self._hashes(stage.inputs),
            outputs=self._hashes(stage.outputs),
        )
        self.run.end_stage(run, key)
        self.progress.end(run)
        return run

    def _offline(self, stage: Stage) -> str:
        """How the stage's commands leave the network; said and recorded once. "" if they keep it."""
        if not offline_commands(stage):
            return ""
        found = confinement()
        if not self.confinement_told:
            self.confinement_told = True
            self.progress.say(f"      {found.sentence}")
            facts = {"sentence": found.sentence, "sentence_zh": found.sentence.zh, "attempts": found.attempts}
            self.run.append_event({"event": "network", "way": found.way, **facts})
        return found.way

    def _resumed(self, stage: Stage, key: str) -> Stage | None:
        """The stage resuming from an interrupted attempt's checkpoint; None when it starts over."""
        if not stage.resumes or self.again:
            return None
        found, notes = last_checkpoint(self.run, stage, key)
        for note in notes:
            self.progress.say(f"      {note}")
        if found is None:
            return None
        self.progress.say(f"      resuming from step {found.step} ({found.path.rpartition('/')[2]})")
        self.run.append_event({"event": "resumed", "stage": stage.name, "step": found.step})
        first, *others = stage.commands
        return replace(stage, commands=(resumed(first, found.path), *others))

    def _perform(self, stage: Stage, *, fresh: bool) -> int:
        """Files, service, commands, outputs; 0, or 5 when a command answers no."""
        for output in stage.outputs:
            if fresh or output != stage.resumes:
                atomic_files.remove(self.run.path / partial(output))
            (self.run.path / output).parent.mkdir(parents=True, exist_ok=True)
        self._render(stage)
        self._warm_up(stage)
        extra = self._serve(stage)
        code = self._commands(stage, extra)
        atomic_files.rename_outputs(self.run.path, stage.outputs)
        self._release(stage)
        self._retire(stage)
        return code

    def _render(self, stage: Stage) -> None:
        for file in stage.files:
            self.rendered[file.path] = file
            if not is_as_rendered(self.run.path, file):
                atomic_files.write_durable(self.run.path / file.path, file.text)

    def _check_rendered(self) -> None:
        """Before each start of a process: it may read any file that was rendered so far."""
        refuse_edited(self.run.path, self.rendered.values())

    def _commands(self, stage: Stage, extra: Mapping[str, str]) -> int:
        """The commands in turn, the first `at_once` of them in parallel; 5 when one of them answers no.

        The others still run, so that everything wrong is reported at once.
        """
        others: list[ParallelCommand] = []
        codes = set()
        self._check_rendered()
        try:
            for number, command in enumerate(stage.commands[: stage.at_once - 1], start=2):
                log = self.run.path / "logs" / f"{stage.name}-{number}.log"
                others.append(
                    ParallelCommand.start(
                        command,
                        symbols=self.symbols,
                        cwd=self.run.path,
                        run_tag=self.run_tag,
                        log=log,
                        extra=self._own(extra),
                        launcher=self._launcher,
                    )
                )
            for command in stage.commands[stage.at_once - 1 :]:
                codes.add(self._command(stage, command, extra))
                while others:
                    codes.add(others[0].finish(lambda: self._watch(stage)))
                    others.pop(0)
        finally:
            for other in others:
                other.stop()
        return max(codes, default=0)

    def _own(self, extra: Mapping[str, str]) -> dict[str, str]:
        return {"CONCH_PROJECT": self.symbols["project"], **extra}

    def _command(self, stage: Stage, command: Command, extra: Mapping[str, str]) -> int:
        self._check_rendered()
        log = self.run.path / "logs" / f"{stage.name}.log"
        problems_file(log).unlink(missing_ok=True)
        since = log.stat().st_size if log.exists() else 0
        # A probe in an engine's environment reports problems in the same way as a task.
        own = {**self._own(extra), "CONCH_PROBLEMS": str(problems_file(log))}
        follower = Follower(self.run.path, stage, command, log, since, self.progress)
        stall = (
            StallWatch(log, self.run.path / stage.progress, stage.stall_timeout) if stage.progress else None
        )
        try:
            code = run_command(
                command,
                symbols=self.symbols,
                cwd=self.run.path,
                run_tag=self.run_tag,
                log=log,
                extra=own,
                on_tick=lambda _: self._tick(follower, stage, stall),
                grace=stage.grace,
                on_stop=lambda: self._announce_saving(stage),
                launcher=self._launcher,
            )
        finally:
            with suppress(OSError, StopEarly):
                follower.tick()
        if follower.ended_early:
            self.run.append_event({"event": "ended_early", "stage": stage.name, "step": follower.step})
            if code:
                return self._command(*closing(self.run, stage, command, self._key(stage)), extra)
        if code not in (0, CheckFailed.exit_code):
            self._raise_if_server_died(stage)
        code = outcome(code, log, since)
        follower.check_whole()
        return code

    def _announce_saving(self, stage: Stage) -> None:
        if stage.resumes:
            self.progress.say(
                f"      Saving a checkpoint (up to {stage.grace:.0f} s). Press Ctrl-C again to kill."
            )

    def _tick(self, follower: Follower, stage: Stage, stall: StallWatch | None) -> None:
        follower.tick()
        if stall is not None:
            stall.check()
        self._watch(stage)

    def _watch(self, stage: Stage) -> None:
        """Fail the stage as soon as its server dies."""
        if stage.service is not None and stage.service.name in self.running:
            self.running[stage.service.name].check()

    def _raise_if_server_died(self, stage: Stage) -> None:
        """Fail the stage with the death of its server, where that is why a command failed.

        A killed process can be asked for its exit code a moment after its connections broke.
        """
        for _ in range(_DYING if stage.service is not None else 0):
            self._watch(stage)
            time.sleep(0.05)

    def _warm_up(self, stage: Stage) -> None:
        """Start the servers of later stages up to their imports, while this one works."""
        for later in self._later(stage):
            service = later.service
            if service is None or service.warm is None or service.warm_during != stage.name:
                continue
            if service.name not in self.warm and not self._unchanged(later, self._key(later)):
                self.warm[service.name] = start_warm(
                    service,
                    symbols=self.symbols,
                    cwd=self.run.path,
                    run_tag=self.run_tag,
                    log=self._service_log(service.name),
                    launcher=self._launcher,
                )

    def _release(self, stage: Stage) -> None:
        """Let a warmed server load the model that this stage made, while the next one works."""
        for later in self._later(stage):
            service = later.service
            if service is not None and service.warm_during == stage.name and service.name in self.warm:
                self._render(later)
                self._check_rendered()
                self.running[service.name] = self.warm.pop(service.name).release(self.symbols)

    def _serve(self, stage: Stage) -> dict[str, str]:
        """Have the stage's server ready; the variables that give its commands the address."""
        service = stage.service
        if service is None:
            return {}
        if service.name not in self.running:
            self._check_rendered()
            self.running[service.name] = start_service(
                service,
                symbols=self.symbols,
                cwd=self.run.path,
                run_tag=self.run_tag,
                log=self._service_log(service.name),
                launcher=self._launcher,
            )
        server = self.running[service.name]
        server.wait_ready(self.progress.now)
        self.run.append_event({"event": "service_ready", "service": service.name, "stage": stage.name})
        return {"CONCH_SERVICE_URL": server.url, "CONCH_SERVICE_MODEL": service.model}

    def _retire(self, stage: Stage) -> None:
        """Stop the stage's server when no later stage needs it."""
        name = stage.service.name if stage.service else ""
        if name in self.running and not any(s.service and s.service.name == name for s in self._later(stage)):
            self.running.pop(name).stop()

    def _later(self, stage: Stage) -> tuple[Stage, ...]:
        names = [one.name for one in self.plan.stages]
        return self.plan.stages[names.index(stage.name) + 1 :]

    def _service_log(self, name: str) -> Path:
        return self.run.path / "logs" / f"{name}.log"

    def _key(self, stage: Stage) -> str:
        return stage_key(stage, self._hashes(stage.inputs), self.lockfiles)

    def _unchanged(self, stage: Stage, key: str) -> str:
        """Why a stage can be skipped; "" when it must run."""
        record = self.run.stage_record(stage.name)
        if self.again or record is None or record.key != key:
            return ""
        if any(fingerprint(self.run.path / path) != found for path, found in record.outputs.items()):
            return ""
        self.hashes.update(record.outputs)
        return "inputs unchanged"

    def _why(self, stage: Stage, key: str) -> str:
        if self.again:
            return "requested"
        record = self.run.stage_record(stage.name)
        if record is None:
            mine = (event for event in self.run.events() if event.get("stage") == stage.name)
            begun = any(event.get("event") == "stage_begun" for event in mine)
            return "interrupted before" if begun else "first time"
        return "output changed or missing" if record.key == key else "inputs changed"

    def _hashes(self, paths: tuple[str, ...]) -> dict[str, str]:
        return {path: self.hashes.get(path) or fingerprint(self.run.path / path) for path in paths}

    def _note_outputs(self, stage: Stage) -> None:
        for path in stage.outputs:
            self.hashes[path] = fingerprint(self.run.path / path)

    def _record_failure(self, stage: Stage, key: str, error: ConchError, seconds: float) -> None:
        status = Status.INTERRUPTED if isinstance(error, Interrupted) else Status.FAILED
        reason = error.problems[0].what if error.problems else ""
        log = f"logs/{stage.name}.log"
        run = StageResult(stage.name, status, reason, exit_code_of(error), seconds, log)
        self.run.end_stage(run, key)
        self.progress.end(run)
