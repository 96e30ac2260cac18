"""A server of one checkpoint's adapter on its base, for a conversation: up while it is wanted, then gone.

It works in a folder of its own, runs/.chat/, into which the adapter's files are linked: a training that goes
on may clear the checkpoint away or rename its folder meanwhile, and its lock and logs are left alone. Not
covered: room for both on one GPU.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from orchestrator.backends.engines import engine_behind
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host import signals
from orchestrator.execute.launchers import LAUNCHERS
from orchestrator.execute.processes import process
from orchestrator.execute.processes.child_environment import symbols_of
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import is_held
from orchestrator.execute.runner.existing_run import read_plan, runtimes_of
from orchestrator.execute.runner.lora_adapters import LoraAdapter, adapter_of, rank_of
from orchestrator.execute.servers.service import Running, start_service
from orchestrator.plan.stage import Plan, Service

HOME = "runs/.chat"
# What a server reads of an adapter; the trainer's own state is larger than all of it.
_READ = (".json", ".safetensors", ".jinja", ".txt", ".model")


@dataclass(frozen=True, slots=True)
class ServedCheckpoint:
    """A server that answers: of which run, the checkpoint's model name, and the process."""

    run: Run
    model: str
    server: Running


@contextmanager
def served_checkpoint(
    recipe: str, number: str, *, project: Path, progress: Progress
) -> Iterator[ServedCheckpoint]:
    """Serve a checkpoint on a free port of loopback while inside; nothing of it is left afterwards.

    SIGTERM and SIGHUP raise Interrupted inside, Ctrl-C KeyboardInterrupt.

    Args:
        recipe: a name, for its last run, or RECIPE/ID.
        number: "last", or the checkpoint's step.
        project: the folder that holds runs/.
        progress: is told what happens.

    Raises:
        UsageError: there is no such run, or the number is none.
        MissingError: no such checkpoint, or it is no adapter; a base or an environment is missing.
        StageFailed, TimedOut: the server died, or is not ready in time.
    """
    if number != "last" and not (number.isascii() and number.isdigit()):
        raise UsageError(Problem(f'no checkpoint is called "{number}"', "--checkpoint", "last, or its step"))
    run = _run_of(project, recipe)
    plan = read_plan(run)
    _refuse_whole_models(run, plan)
    held = is_held(project, run.recipe)
    adapter = _adapter(run, number, held=held)
    symbols = symbols_of(runtimes_of(run), project)
    if held:
        progress.say(f"{run.name} is being worked on: it and this server share the machine")
    with _folder(project, run, plan, adapter) as (folder, service):
        run_tag = process.new_run_tag(project, folder)
        log = folder.with_suffix(".log")
        server: Running | None = None
        with process.guarded(run_tag):
            try:
                with process.catch_signals():
                    progress.say(f"serving {adapter.name} of run {run.name} on its base")
                    server = start_service(
                        service,
                        symbols=symbols,
                        cwd=folder,
                        run_tag=run_tag,
                        log=log,
                        launcher=LAUNCHERS[plan.launcher],
                    )
                    seconds = server.wait_ready(progress.now)
                progress.say(f"ready in {seconds:.0f} s: {server.url}  model {adapter.name}")
                with signals.raised():
                    yield ServedCheckpoint(run, adapter.name, server)
            finally:
                with process.catch_signals():
                    if server is not None:
                        server.stop()
        log.unlink(missing_ok=True)


def _run_of(project: Path, recipe: str) -> Run:
    """The run that was named; of a recipe its last, which may still be trained."""
    if not Run.all(project, recipe.partition("/")[0]):
        name = recipe.partition("/")[0]
        what, where = f"there is no run of {name} yet", str(project / "runs" / name)
        raise MissingError(Problem(what, where, f"conch sft {name}"))
    return Run.open(project, recipe)


def _adapter(run: Run, number: str, *, held: bool) -> LoraAdapter:
    try:
        return adapter_of(run, number)
    except MissingError as error:
        if not held:
            raise
        hint = "it is being worked on: wait for the checkpoint, or name an earlier run as RECIPE/ID"
        raise MissingError(*(replace(one, hint=hint) for one in error.problems)) from None


def _refuse_whole_models(run: Run, plan: Plan) -> None:
    """Raise MissingError where what is trained is no adapter."""
    files = {file.path: file.text for stage in plan.stages for file in stage.files}
    method = yaml.safe_load(files["train.yaml"]).get("finetuning_type", "lora")
    if method != "lora":
        what = f"train.method is {method}: a checkpoint of {run.name} is a whole model, not an adapter"
        hint = f"conch serve {run.recipe}, then conch chat {run.recipe}, once its export is there"
        raise MissingError(Problem(what, str(run.path), hint))


@contextmanager
def _folder(project: Path, run: Run, plan: Plan, adapter: LoraAdapter) -> Iterator[tuple[Path, Service]]:
    """The folder that the server works in, and the server."""
    asked = plan.stage("ask")
    assert asked.service is not None  # noqa: S101  ask is the stage that talks to a server
    modules = {adapter.name: adapter.name}
    engine = engine_behind(asked.service)
    if engine.limitations.adapters:
        raise MissingError(Problem(engine.limitations.adapters, hint=f"conch serve {run.recipe}"))
    service = engine.with_adapters(asked.service, modules, rank_of(run, adapter), name="chat-server")
    base = run.path / "inputs/base"
    if not base.is_dir():
        raise MissingError(Problem("the run's base model is gone", str(base), f"conch sft {run.recipe}"))
    home = project / HOME
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{run.recipe}-{adapter.name}-", dir=home) as made:
        folder = Path(made)
        (folder / "inputs").mkdir()
        (folder / "inputs/base").symlink_to(base.resolve(), target_is_directory=True)
        for file in asked.rendered:
            (folder / file.path).write_text(file.text, encoding="utf-8")
        _link(run.path / adapter.path, folder / adapter.name)
        yield folder, service


def _link(source: Path, target: Path) -> None:
    """An adapter's files once more, which outlive their removal; copied where they cannot be linked."""
    target.mkdir()
    try:
        for path in sorted(source.iterdir()):
            if path.suffix in _READ and path.is_file():
                try:
                    os.link(path, target / path.name)
                except FileNotFoundError:
                    raise
                except OSError:
                    shutil.copyfile(path, target / path.name)
    except FileNotFoundError:
        what = "it was cleared away just now: a training keeps its last two checkpoints"
        raise MissingError(Problem(what, str(source), "type the same command again")) from None
