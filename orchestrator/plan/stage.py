"""What is to be done, as values: RenderedFile, Command, Service, Stage, Plan. No clock, disk or process.

A plan speaks in symbols, so that it is the same bytes on every machine. The runner (execute/) replaces
them just before a process starts:

    {conch} {train} {serve} {ppo}   the folder of that Python environment (so `{train}/bin/python`)
    {probes}                  the folder of orchestrator/probes
    {project}                 the folder that holds recipes/
    {cores}                   the processor cores that a server's threads are bound to
    {port}                    of a Service: the port it was given

Every other path is relative to the run folder, which is the working folder of every command: an engine
never sees a space or a machine's path (the base model is linked at inputs/base).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

PARTIAL = ".partial-0"
# Seconds that a server may take from its start to its first answer, unless a recipe sets serve.ready_timeout.
READY_TIMEOUT = 900.0
_PLAIN = re.compile(r"[\w/.,:=@%+{}-]+", re.ASCII)


def partial(output: str) -> str:
    """The name under which a stage writes `output` until it is complete and renamed.

    >>> partial("export")
    'export.partial-0'
    """
    return output + PARTIAL


class Runtime(StrEnum):
    """Which environment runs a command."""

    CONCH = "conch"
    TRAIN = "train"
    SERVE = "serve"
    PPO = "ppo"


# Environments that lack security fixes → which, and what that means. A recipe that trains in one names it.
BELOW_FLOOR: Mapping[Runtime, str] = {
    Runtime.PPO: "transformers 4.55.4, below 5.3.0 (CVE-2026-4372: a model's config runs code)",
}


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file that Conch writes into the run folder: path relative to it, and its text (UTF-8)."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """An argv, never a shell line; where it runs; what its environment adds.

    Attributes:
        argv: may hold the symbols of this module's docstring.
        runtime: the environment whose programs it uses; its lock is part of the stage's key.
        env: variables added to the allow-listed environment of children.
        secrets: names of variables that are passed through from the user; values are never stored.
    """

    argv: tuple[str, ...]
    runtime: Runtime = Runtime.CONCH
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = [f"{key}={_quoted(value)}" for key, value in sorted(self.env.items())]
        masked = [f"{name}=***" for name in self.secrets]
        return " ".join([*names, *masked, *map(_quoted, self.argv)])


def _quoted(word: str) -> str:
    """Quoted for a shell where it must be; the symbols' braces need no quotes to be read."""
    return word if _PLAIN.fullmatch(word) else shlex.quote(word)


@dataclass(frozen=True, slots=True)
class Service:
    """A server that must be up while a stage's commands run.

    Attributes:
        name: unique in a plan; also the name of its log.
        command: how it starts; holds {port}.
        model: the served model name that clients use.
        engine: its name in ENGINES (backends/engines.py); "" for any OpenAI-compatible server.
        reasoning_parser: the name of the parser that separates thinking from content; "" for none.
        sampling: run-relative model folder whose generation_config.json says how it samples by default; ""
            for the engine's own defaults.
        scores: it is a reward model: it scores conversations and answers none.
        warm: a command that starts the same server but waits, imports done, for a line on its standard
            input: the words of `command` behind the program, as JSON; None if there is no such command.
        warm_during: the stage at whose start the warm command may be started; "" for never.
        ready_timeout: seconds from start to the first real answer.
        stall_timeout: seconds without a new log byte or CPU time after which it counts as hung.
    """

    name: str
    command: Command
    model: str
    engine: str = ""
    reasoning_parser: str = ""
    sampling: str = ""
    scores: bool = False
    warm: Command | None = None
    warm_during: str = ""
    ready_timeout: float = READY_TIMEOUT
    stall_timeout: float = 180.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a plan.

    Attributes:
        name: unique in the plan.
        inputs: run-relative paths that earlier stages made; their hashes are part of the key.
        files: rendered before the commands run.
        commands: run in turn, in the run folder. A command writes each output under partial(output).
        outputs: run-relative names that appear, by rename, when every command succeeded.
        service: must be up while the commands run.
        progress: run-relative path of a trainer_log.jsonl to follow while the commands run, or "".
        depends: symbolic facts beyond files that the result depends on (a data file's hash, the base
            model's key); part of the stage's key.
        gate: a "no" (exit code 5) of its last command ends the run here.
        at_once: so many of the first commands run side by side, the others in turn behind them.
        resumes: the output whose partial holds checkpoints from which an interrupted training goes on; "".
        grace: seconds between asking its commands to end and killing them: a training saves first.
        stall_timeout: seconds without a word, a step or a written file after which it counts as hung; 0 for
            never.
        plateau: the share of a training's steps over which its loss must still fall, else it is asked to save
            and end; 0 for never. plateau_by: the kind whose metric (evaluation/trainer_metrics.WATCHED) takes
            the place of the loss.
        may_end_early: the trainer itself may end before its last step.
        repacks_rows: the trainer's examples are not the prepared rows, so their numbers differ.
    """

    name: str
    commands: tuple[Command, ...] = ()
    inputs: tuple[str, ...] = ()
    files: tuple[RenderedFile, ...] = ()
    outputs: tuple[str, ...] = ()
    service: Service | None = None
    progress: str = ""
    depends: Mapping[str, str] = field(default_factory=dict)
    gate: bool = False
    at_once: int = 1
    resumes: str = ""
    grace: float = 10.0
    stall_timeout: float = 0.0
    plateau: float = 0.0
    plateau_by: str = ""
    may_end_early: bool = False
    repacks_rows: bool = False

    @property
    def rendered(self) -> tuple[RenderedFile, ...]:
        """What engines and servers read of its files: all but the settings of Conch's own tasks."""
        return tuple(file for file in self.files if not file.path.startswith("tasks/"))


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered stages of one job, the sentence that opens its run, and the launcher of its commands."""

    recipe: str
    headline: str
    stages: tuple[Stage, ...]
    launcher: str = "local"

    def to_json(self) -> dict[str, Any]:
        """The whole plan as JSON-able values, in a stable order."""
        value = asdict(self)
        if self.launcher == "local":
            del value["launcher"]
        for stage in value["stages"]:
            for name in ("may_end_early", "repacks_rows"):
                if not stage[name]:
                    del stage[name]
            if stage["service"] and not stage["service"]["scores"]:
                del stage["service"]["scores"]
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """The plan that to_json() wrote.

        Raises:
            KeyError, TypeError, ValueError: it is another version's, or none.
        """
        stages = tuple(_stage_of(one) for one in value["stages"])
        return cls(value["recipe"], value["headline"], stages, value.get("launcher", "local"))

    def stage(self, name: str) -> Stage:
        """The stage of that name; KeyError when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    @property
    def runtimes(self) -> tuple[Runtime, ...]:
        """The environments that its commands and servers run in, but for Conch's own."""
        commands = [command for stage in self.stages for command in stage.commands]
        commands += [stage.service.command for stage in self.stages if stage.service]
        return tuple(sorted({command.runtime for command in commands} - {Runtime.CONCH}))


def _stage_of(value: Mapping[str, Any]) -> Stage:
    service = value["service"]
    if service is not None:
        warm = service["warm"] and _command_of(service["warm"])
        service = Service(**{**service, "command": _command_of(service["command"]), "warm": warm})
    lists = {key: tuple(value[key]) for key in ("inputs", "outputs")}
    files = tuple(RenderedFile(**one) for one in value["files"])
    commands = tuple(_command_of(one) for one in value["commands"])
    return Stage(**{**value, **lists, "files": files, "commands": commands, "service": service})


def _command_of(value: Mapping[str, Any]) -> Command:
    changed = {
        "argv": tuple(value["argv"]),
        "secrets": tuple(value["secrets"]),
        "runtime": Runtime(value["runtime"]),
    }
    return Command(**{**value, **changed})
