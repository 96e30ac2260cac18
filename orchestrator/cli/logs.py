"""`conch logs`: the output of a run's commands and servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import Outcome, current_project, verb

if TYPE_CHECKING:
    from orchestrator.execute.run_store.run_folder import Run
    from orchestrator.execute.run_store.run_logs import Tail


@verb(
    example="conch logs magic_conch\nconch logs -f magic_conch\nconch logs magic_conch --stage train -n 100"
)
@click.argument("run", metavar="RUN")
@click.option("--stage", default="", metavar="NAME", help="Show only the log of this stage or server.")
@click.option("-f", "--follow", is_flag=True, help="Follow the run from stage to stage while it works.")
@click.option(
    "-n", "--lines", default=30, type=click.IntRange(min=0), show_default=True, help="Number of last lines."
)
@click.pass_context
def command(context: click.Context, *, run: str, stage: str, follow: bool, lines: int) -> Outcome:
    """Show the last output of a run. RUN is RECIPE/ID, or RECIPE for its latest run.

    Control characters are shown as escapes and secrets as ***; the files in the run's logs/ hold the raw
    bytes. With --json, each line is one object and the envelope comes last.
    """
    from click.core import ParameterSource

    from orchestrator.execute.run_store.run_folder import Run
    from orchestrator.execute.run_store.run_logs import Tail, last_lines, logs_of

    show = _Shown(as_json=context.get_parameter_source("as_json") is ParameterSource.COMMANDLINE)
    folder = Run.open(current_project(), run)
    tail, logs = Tail(folder, stage), logs_of(folder, stage)
    tail.skip(logs)
    for line in last_lines(logs[-1], lines):
        show.line(logs[-1].stem, line)
    if follow:
        _follow(folder, tail, show)
    return Outcome({"run": folder.name, "logs": [str(log) for log in logs]})


class _Shown:
    """Writes log lines, with a heading when the log changes."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json, self._name = as_json, ""

    def line(self, name: str, text: str) -> None:
        """Write one line; of a progress bar that redraws itself, only its last state."""
        from orchestrator.cli.text.terminal import emit
        from orchestrator.execute.host.redact import redact, secrets_of
        from orchestrator.execute.run_store.run_logs import last_state
        from orchestrator.outside import json_text, visible

        shown = visible(redact(last_state(text)))
        if self._as_json:
            emit(json_text({"log": name, "line": shown}, secrets_of()) + "\n")
            return
        if name != self._name:
            emit(f"==> {name} <==\n")
            self._name = name
        emit(shown + "\n")


def _follow(folder: Run, tail: Tail, show: _Shown) -> None:
    """Follow until the run and its server have stopped, or Ctrl-C."""
    import time

    from orchestrator.execute.host import signals
    from orchestrator.execute.run_store.listing import Standing, summary_of
    from orchestrator.execute.run_store.server_record import is_up

    with signals.catch_signals():
        while True:
            active = summary_of(folder).standing is Standing.RUNNING or is_up(folder)
            for name, line in tail.added():
                show.line(name, line)
            if not active:
                return
            signals.check()
            time.sleep(0.3)
