"""The command line: the table of verbs, and the boundary that turns errors into messages and exit codes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import click

from orchestrator import __version__
from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, VerbGroup
from orchestrator.errors import (
    ConchError,
    Interrupted,
    MissingError,
    Problem,
    UsageError,
    exit_code_of,
    is_disk_full,
)

# Verb (a module in orchestrator/cli) and its line in `conch --help`. A verb's module is imported when the
# verb is used, never for `conch --help` (benchmarks/cold_start.py).
VERBS: dict[str, str] = {
    "run": "Run a whole recipe: fetch, train, export, serve, verify, report.",
    "sft": "Fine-tune and export: every stage up to the proven export.",
    "serve": "Serve the latest good export over an OpenAI-compatible endpoint.",
    "verify": "Ask a running server the recipe's questions and check the answers.",
    "eval": "Score a run's models on its data: BLEU, ROUGE, chrF, perplexity, length.",
    "compare": "Compare base and tuned models, two runs, or several bases.",
    "report": "Write the report of a run: an HTML page, a model card, and JSON.",
    "bench": "Run public benchmarks on a served model, with evalscope or lm-eval.",
    "studio": "Serve OpenAI's API for files, fine-tuning jobs and models.",
    "chat": "Chat with a served model or a checkpoint.",
    "prove": "Prove that the served model is the trained one, and write the certificate.",
    "why": "Find the stage that loses the effect of training.",
    "parity": "Compare training tokens with serving tokens.",
    "plan": "Print the resolved recipe, every file and every command; run nothing.",
    "ls": "List recipes, datasets, chat templates and runs.",
    "status": "Show what is running, and the status of each recipe's latest run.",
    "watch": "Watch a run on one screen: loss, learning rate, memory, time left, stages, log.",
    "logs": "Show the output of a run's commands and servers.",
    "runs": "Inspect runs: ls, show, diff.",
    "rm": "Delete runs.",
    "stop": "Stop every process that Conch started for this project, or for one run.",
    "data": "Inspect and prepare data files: audit, convert, split, preview, stats, add.",
    "env": "Build, compile or audit the engine environments.",
    "pull": "Download a base model.",
    "doctor": "Report what is missing and the command that fixes it.",
    "schema": "Print the JSON Schema of a recipe.",
}

_LONG = 2000


@click.group(cls=VerbGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="conch")
def conch() -> None:
    """Fine-tune, export and serve a model from one recipe, and prove that you serve what you trained."""


def main() -> None:
    """The console script."""
    gc.set_threshold(50_000)  # imports make no garbage, and looking for it is 3 % of `conch plan`
    code = run(sys.argv[1:])
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, AttributeError):  # no reader, a full disk, or closed
            setattr(sys, name, None)  # or the interpreter reports it again, with its own exit code
    gc.freeze()  # no last collection while the interpreter ends: a tenth of `conch plan`
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Run one command line; print its outcome; return the exit code. Raises nothing."""
    name = next((word for word in argv if not word.startswith("-")), "")
    outcome = _outcome_of(argv)
    try:
        _show(name, outcome, as_json="--json" in argv)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            return outcome.exit_code  # the reader is gone (`conch ls | head`)
        with suppress(OSError):
            _print(f"cannot write the result: {error.strerror}", to_stderr=True)
        return outcome.exit_code or MissingError.exit_code
    return outcome.exit_code


def _outcome_of(argv: Sequence[str]) -> Outcome:  # noqa: PLR0911  one return per way to end
    try:
        outcome = conch.main(args=list(argv), prog_name="conch", standalone_mode=False)
        return outcome if isinstance(outcome, Outcome) else Outcome(exit_code=int(outcome or 0), silent=True)
    except click.exceptions.Exit as error:
        return Outcome(exit_code=error.exit_code, silent=True)
    except click.ClickException as error:
        return Outcome(exit_code=UsageError.exit_code, problems=(_of_click(error),))
    except (KeyboardInterrupt, click.Abort):
        return Outcome(exit_code=Interrupted.exit_code, problems=(Problem("interrupted"),))
    except ConchError as error:
        default = Problem("interrupted" if isinstance(error, Interrupted) else "failed")
        return Outcome(exit_code=exit_code_of(error), problems=error.problems or (default,))
    except (BrokenPipeError, SystemExit):  # click turns the first into the second
        return Outcome(silent=True)
    except Exception as error:  # noqa: BLE001  the one boundary
        if isinstance(error, OSError) and is_disk_full(error.errno):
            full = Problem(f"disk full: {error.strerror}", str(error.filename or ""), "free some space")
            return Outcome(exit_code=MissingError.exit_code, problems=(full,))
        return Outcome(exit_code=1, problems=(_bug(error),))


def envelope(command: str, *, ok: bool, data: object, problems: Sequence[Problem]) -> str:
    """The one JSON object of `--json`: texts of problems are visible, other texts are JSON's escapes."""
    from orchestrator.execute.host.redact import secrets_of
    from orchestrator.outside import json_text, visible

    listed = [
        {"what": visible(one.what), "where": visible(one.where), "hint": visible(runnable(one.hint))}
        for one in problems
    ]
    told = {"version": 1, "command": command, "ok": ok, "data": data, "problems": listed}
    return json_text(told, secrets_of())


def _show(name: str, outcome: Outcome, *, as_json: bool) -> None:
    if outcome.silent:
        return
    if as_json:
        ok = outcome.exit_code == 0
        _print(envelope(name, ok=ok, data=outcome.data, problems=outcome.problems))
        return
    if outcome.text:
        _print(outcome.text)
    for problem in outcome.problems:
        _print(str(replace(problem, hint=runnable(problem.hint))), to_stderr=True)


def _print(text: str, *, to_stderr: bool = False) -> None:
    from orchestrator.cli.text.terminal import emit

    emit(f"{text}\n", sys.stderr if to_stderr else sys.stdout)


def _of_click(error: click.ClickException) -> Problem:
    usage = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "conch"
    message = error.format_message()
    short = message if len(message) < _LONG else f"{message[:_LONG]}…"  # it repeats what was typed
    return Problem(short, hint=f"{usage} --help")


def _bug(error: Exception) -> Problem:
    what = f"a bug in Conch: {type(error).__name__}: {error}"
    try:
        return Problem(what, where=_crash_file(error), hint="please report it and attach that file")
    except OSError:
        return Problem(what, hint="please report it")


def _crash_file(error: Exception) -> str:
    import tempfile
    import traceback

    from orchestrator.execute.host.redact import redact

    with tempfile.NamedTemporaryFile(
        "w", prefix="conch-crash-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as crash:
        crash.write(redact("".join(traceback.format_exception(error))))
    return crash.name
