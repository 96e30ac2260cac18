"""`conch watch`: a working run on one screen."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import Outcome, verb

if TYPE_CHECKING:
    from orchestrator.execute.reporting.watch import Snapshot, Watcher

_FALLBACK_SIZE = (80, 24)
_LOOK_SECONDS = 0.1


@verb(example="conch watch magic_conch\nconch watch magic_conch --once\nconch watch magic_conch | tee log")
@click.argument("run", metavar="RUN")
@click.option("--once", is_flag=True, help="Print one picture and exit.")
@click.option(
    "--every",
    default=1.0,
    type=click.FloatRange(min=0.2, max=3600),
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
        seen = watcher.look()
        return Outcome(seen.to_json(), _picture(seen))
    show = _AsLines(as_json=as_json) if as_json or not _draws() else _AsPicture()
    seen = _until_its_end(watcher, show, every)
    return Outcome(seen.to_json(), "" if as_json or isinstance(show, _AsLines) else ending(seen))


def _until_its_end(watcher: Watcher, show: _AsLines | _AsPicture, every: float) -> Snapshot:
    """Look and show until nobody works on the run any more.

    Raises:
        Interrupted: by Ctrl-C; the run goes on.
    """
    from orchestrator.errors import Interrupted, Problem
    from orchestrator.execute.host import signals

    with signals.catch_signals():
        try:
            while True:
                seen = watcher.look()
                show.show(seen)
                if seen.over:
                    return seen
                _wait(every, show, seen)
        except Interrupted as error:
            show.leave()
            what, hint = f"stopped watching; {seen.run} continues", f"conch stop {seen.run} stops it"
            raise Interrupted(Problem(what, hint=hint), signum=error.signum) from None


def _wait(every: float, show: _AsLines | _AsPicture, seen: Snapshot) -> None:
    """Until the next look; a terminal that is resized meanwhile is drawn anew at once."""
    from orchestrator.execute.host import signals

    until = time.monotonic() + every
    size = shutil.get_terminal_size(_FALLBACK_SIZE)
    while time.monotonic() < until:
        signals.check()
        time.sleep(min(_LOOK_SECONDS, every))
        if size != shutil.get_terminal_size(_FALLBACK_SIZE):
            size = shutil.get_terminal_size(_FALLBACK_SIZE)
            show.show(seen)


class _AsLines:
    """A line, or an object, for each change."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._known: object = None

    def show(self, seen: Snapshot) -> None:
        from orchestrator.cli.text.terminal import emit, local_time
        from orchestrator.cli.text.watch_frame import change, told

        # A line tells of a stage: in the moment between two there is none to tell of.
        between = self._known is not None and seen.current is None and not seen.over
        if change(seen) == self._known or (between and not self._as_json):
            return
        self._known = change(seen)
        if self._as_json:
            emit(json.dumps(seen.to_json(), ensure_ascii=False) + "\n")
        else:
            emit(f"{local_time(seen.at)}  {told(seen)}\n")

    def leave(self) -> None:
        """Nothing to tidy."""


class _AsPicture:
    """One picture that is drawn over itself."""

    def __init__(self) -> None:
        import signal

        from orchestrator.cli.text.watch_screen import Screen

        self._screen = Screen(sys.stdout)
        # After Ctrl-Z and fg, a shell has written where the picture was.
        signal.signal(signal.SIGCONT, lambda *_: self._screen.forget())

    def show(self, seen: Snapshot) -> None:
        from orchestrator.cli.text.watch_frame import frame

        width, height = shutil.get_terminal_size(_FALLBACK_SIZE)
        self._screen.draw(frame(seen, width, height, colour=_colours()), width, height)

    def leave(self) -> None:
        self._screen.leave()


def _picture(seen: Snapshot) -> str:
    from orchestrator.cli.text.watch_frame import frame

    width, height = shutil.get_terminal_size(_FALLBACK_SIZE)
    return "\n".join(frame(seen, width, height, colour=_draws() and _colours()))


def _draws() -> bool:
    """Whether standard output is a terminal on which a picture can be drawn."""
    utf = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    return sys.stdout.isatty() and utf and os.environ.get("TERM", "dumb") != "dumb"


def _colours() -> bool:
    return not os.environ.get("NO_COLOR")
