"""A server of one checkpoint's adapter on its base, for the time of a conversation.

It works in a folder of its own, runs/.chat/, into which the adapter's files are linked, because a training
in progress may remove the checkpoint or rename its folder; the run's lock and logs are not touched. Not
covered: whether the GPU has room for both.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.backends.engines import engine_behind
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host import signals
from orchestrator.execute.launchers import LAUNCHERS
from orchestrator.execute.processes import process_tree, watchdog
from orchestrator.execute.processes.child_environment import symbols_of
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import is_held
from orchestrator.execute.run_store.run_paths import make_private
from orchestrator.execute.runner.existing_run import read_plan, runtimes_of
from orchestrator.execute.runner.lora_adapters import LoraAdapter, adapter_of, rank_of
from orchestrator.execute.servers.service import Running, start_service
from orchestrator.plan.stage import Plan, Service

HOME = ".chat"
# What a server reads of an adapter, without the trainer's state, which is larger than all of it.
_READ = (".json", ".safetensors", ".jinja", ".txt", ".model")


@dataclass(frozen=True, slots=True)
class ServedCheckpoint:
    """A server that is ready: its run, the checkpoint's model name, and its process."""

    run: Run
    model: str
    server: Running


@contextmanager
def served_checkpoint(
    recipe: str, number: str, *, project: Path, progress: Progress
) -> Iterator[ServedCheckpoint]:
    """Serve a checkpoint on a free loopback port inside the `with` block; nothing is left afterwards.

    Inside, SIGTERM and SIGHUP raise Interrupted, Ctrl-C raises KeyboardInterrupt. `recipe` is a name, for its
    last run, or RECIPE/ID; `number` is "last" or the checkpoint's step.
    """
    if number != "last" and not (number.isascii() and number.isdigit()):
        raise UsageError(Problem(f'no checkpoint is called "{number}"', "--checkpoint", "last, or its step"))
    run = _run_of(project, recipe)
    plan = read_plan(run)
    held = is_held(project, run.recipe)
    adapter = _adapter(run, number, held=held)
    symbols = symbols_of(runtimes_of(run, plan), project)
    if held:
        progress.say(f"{run.name} is in use: it and this server share the machine")
    with _folder(project, run, plan, adapter) as (folder, service):
        run_tag = process_tree.new_run_tag(project, folder)
        log = folder.with_suffix(".log")
        server: Running | None = None
        with watchdog.guarded(run_tag):
            try:
                with signals.catch_signals():
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
                with signals.catch_signals():
                    if server is not None:
                        server.stop()
        log.unlink(missing_ok=True)


def _run_of(project: Path, recipe: str) -> Run:
    """The named run; for a recipe its last one, which may still be training."""
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
        hint = "the run is in use: wait for the checkpoint, or name an earlier run as RECIPE/ID"
        raise MissingError(*(replace(one, hint=hint) for one in error.problems)) from None


@contextmanager
def _folder(project: Path, run: Run, plan: Plan, adapter: LoraAdapter) -> Iterator[tuple[Path, Service]]:
    """The server's working folder, and the service."""
    stage = plan.stage("ask")
    assert stage.service is not None  # noqa: S101  the stage ask always has one
    modules = {adapter.name: adapter.name}
    engine = engine_behind(stage.service)
    if engine.limitations.adapters:
        raise MissingError(Problem(engine.limitations.adapters, hint=f"conch serve {run.recipe}"))
    service = engine.with_adapters(stage.service, modules, rank_of(run, adapter), name="chat-server")
    base = run.path / "inputs/base"
    if not base.is_dir():
        raise MissingError(Problem("the run's base model is missing", str(base), f"conch sft {run.recipe}"))
    home = make_private(project, HOME)
    with tempfile.TemporaryDirectory(prefix=f"{run.recipe}-{adapter.name}-", dir=home) as made:
        folder = Path(made)
        (folder / "inputs").mkdir()
        (folder / "inputs/base").symlink_to(base.resolve(), target_is_directory=True)
        for file in stage.rendered:
            (folder / file.path).write_text(file.text, encoding="utf-8")
        _link(run.path / adapter.path, folder / adapter.name)
        yield folder, service


def _link(source: Path, target: Path) -> None:
    """Link an adapter's files, so that they outlive their removal; copy those that cannot be linked."""
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
        what = "the checkpoint was just removed: a training keeps its last two"
        raise MissingError(Problem(what, str(source), "run the same command again")) from None
