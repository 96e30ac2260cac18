"""`conch watch`: a working run on one screen."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import Number, Outcome, verb
from orchestrator.execute.host.redact import secrets_of
from orchestrator.outside import json_text

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

    from orchestrator.execute.reporting.watch import Snapshot, Watcher

_FALLBACK_SIZE = (80, 24)
_LOOK_SECONDS = 0.1


@verb(example="conch watch magic_conch\nconch watch magic_conch --once\nconch watch magic_conch | tee log")
@click.argument("run", metavar="RUN")
@click.option("--once", is_flag=True, help="Print one picture and exit.")
@click.option(
    "--every",
    default=1.0,
    type=Number(min=0.2, max=3600),
    show_default=True,
    metavar="SECONDS",
    help="Seconds between updates.",
)
@click.pass_context
def command(context: click.Context, *, run: str, once: bool, every: float) -> Outcome:
    """Watch a run: loss, learning rate, memory, time left, stages and log.

    RUN is RECIPE/ID, or RECIPE for its latest run. Watching only reads: Ctrl-C leaves the run as it is. It
    exits 0 when the run ends, and prints how it ended. If the output is not a terminal, it prints a line for
    each change; with --json, each line is one object and the envelope comes last.
    """
    from pathlib import Path

    from click.core import ParameterSource

    from orchestrator.cli.text.watch_frame import ending
    from orchestrator.execute.project import recipes
    from orchestrator.execute.reporting.watch import Watcher
    from orchestrator.execute.run_store.run_folder import Run

    as_json = context.get_parameter_source("as_json") is ParameterSource.COMMANDLINE
    watcher = Watcher(Run.open(recipes.project_folder(Path.cwd()), run))
    if once:
        snapshot = watcher.look()
        return Outcome(snapshot.to_json(), _rendered(snapshot))
    show = _Lines(as_json=as_json) if as_json or not _draws() else _Picture()
    snapshot = _until_its_end(watcher, show, every)
    return Outcome(snapshot.to_json(), "" if as_json or isinstance(show, _Lines) else ending(snapshot))


def _until_its_end(watcher: Watcher, show: _Lines | _Picture, every: float) -> Snapshot:
    """Look and show until the run ends.

    Raises:
        Interrupted: by Ctrl-C; the run continues.
    """
    from orchestrator.errors import Interrupted, Problem
    from orchestrator.execute.host import signals

    with signals.catch_signals():
        try:
            while True:
                snapshot = watcher.look()
                show.show(snapshot)
                if snapshot.over:
                    return snapshot
                _wait(every, show, snapshot)
        except Interrupted as error:
            what, hint = f"stopped watching; {snapshot.run} continues", f"conch stop {snapshot.run} stops it"
            raise Interrupted(Problem(what, hint=hint), signum=error.signum) from None
        finally:
            show.leave()


def _wait(every: float, show: _Lines | _Picture, snapshot: Snapshot) -> None:
    """Until the next look; a terminal that is resized meanwhile is redrawn at once."""
    from orchestrator.execute.host import signals

    until, size = time.monotonic() + every, shutil.get_terminal_size(_FALLBACK_SIZE)
    while time.monotonic() < until:
        signals.check()
        time.sleep(min(_LOOK_SECONDS, every))
        if size != (size := shutil.get_terminal_size(_FALLBACK_SIZE)):
            show.show(snapshot)


class _Lines:
    """A line, or an object, for each change."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._known: object = None

    def show(self, snapshot: Snapshot) -> None:
        from orchestrator.cli.text.terminal import emit, local_time
        from orchestrator.cli.text.watch_frame import change, summary_line

        # Between two stages a line would have no stage.
        between = self._known is not None and snapshot.current is None and not snapshot.over
        if change(snapshot) == self._known or (between and not self._as_json):
            return
        self._known = change(snapshot)
        if self._as_json:
            emit(json_text(snapshot.to_json(), secrets_of()) + "\n")
        else:
            emit(f"{local_time(snapshot.at)}  {summary_line(snapshot)}\n")

    def leave(self) -> None:
        """Nothing to tidy."""


class _Picture:
    """One picture, redrawn in place by rich; no alternate screen."""

    def __init__(self) -> None:
        import signal

        self._live: Live | None = None
        self._size = (0, 0)
        # After Ctrl-Z and fg, the shell has written where the picture was.
        signal.signal(signal.SIGCONT, lambda *_: self.leave())

    def show(self, snapshot: Snapshot) -> None:
        from rich.live import Live

        size = shutil.get_terminal_size(_FALLBACK_SIZE)
        if self._live is None:
            self._live = Live(
                console=_console(), auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        elif size != self._size:  # the terminal has folded the old lines
            self._live.console.clear()
        self._size = size
        self._live.update(_picture(snapshot), refresh=True)

    def leave(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def _console() -> Console:
    from rich.console import Console

    styled = _draws() and not os.environ.get("NO_COLOR")
    return Console(highlight=False, color_system="standard" if styled else None)


def _picture(snapshot: Snapshot) -> Group:
    from rich.console import Group

    from orchestrator.cli.text.watch_frame import frame

    return Group(*frame(snapshot, *shutil.get_terminal_size(_FALLBACK_SIZE)))


def _rendered(snapshot: Snapshot) -> str:
    console = _console()
    with console.capture() as captured:
        console.print(_picture(snapshot))
    return captured.get().rstrip("\n")


def _draws() -> bool:
    """Whether standard output is a terminal on which a picture can be drawn."""
    utf = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    return sys.stdout.isatty() and utf and os.environ.get("TERM", "dumb") != "dumb"
