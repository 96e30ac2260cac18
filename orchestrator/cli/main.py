"""The command line: the table of verbs and the one boundary that turns errors into words and exit codes."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from orchestrator import __version__
from orchestrator.cli.verb import Outcome, VerbGroup
from orchestrator.errors import ConchError, Interrupted, MissingError, Problem, UsageError, exit_code_of

# One line a verb: module in orchestrator/cli, and what `conch --help` says of it. A verb's module is
# imported when the verb is used, never for `conch --help` (benchmarks/cold_start.py).
VERBS: dict[str, str] = {
    "run": "Everything: fetch, train, export, serve, ask, judge, report.",
    "sft": "Fine-tune and export: every stage up to the proven export.",
    "serve": "Serve the last good export over an OpenAI-compatible endpoint.",
    "verify": "Ask a server the recipe's questions and judge the answers.",
    "eval": "Score a run's models on rows of its data: BLEU, ROUGE, chrF, perplexity, lengths.",
    "compare": "Hold base against tuned, run against run, or bases before any training, on the same "
    "questions.",
    "report": "Make the report of a run: one page, a model card, JSON.",
    "bench": "Ask a served model the questions of public benchmarks, with evalscope or lm-eval.",
    "chat": "Talk to a served model, or to a checkpoint.",
    "prove": "Prove that what is served is what was trained; write the certificate.",
    "why": "Find the stage at which the effect of training is lost.",
    "parity": "Compare the tokens of training with the tokens of serving.",
    "plan": "Print the resolved recipe, every file and every command; touch nothing.",
    "ls": "List recipes, datasets, chat templates and runs.",
    "status": "Say what runs now, and how the last run of each recipe stands.",
    "watch": "Watch a run on one screen: loss, rate, memory, time left, stages, log.",
    "logs": "Show what a run's commands and servers print.",
    "runs": "Look at runs that were made: ls, show, diff.",
    "rm": "Delete runs.",
    "stop": "Stop every process that Conch started for this project, or for one run.",
    "data": "Look into data files and prepare them: audit, convert, split, preview, stats, add.",
    "env": "Make or lock the train and serve environments.",
    "pull": "Fetch a base model.",
    "doctor": "Say what is missing and the command that fixes it.",
    "schema": "Print the JSON Schema of a recipe.",
}


@click.group(cls=VerbGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="conch")
def conch() -> None:
    """From a recipe to a fine-tuned model that is served, and the proof that it is the one you trained."""


def main() -> None:
    """The console script."""
    code = run(sys.argv[1:])
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, AttributeError):  # nobody reads it, or its disk is full, or it was closed
            setattr(sys, name, None)  # else the interpreter complains once more, with an exit code of its own
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Run one command line; print its outcome; return the exit code. Raises nothing."""
    name = next((word for word in argv if not word.startswith("-")), "")
    outcome = _outcome_of(argv)
    try:
        _show(name, outcome, as_json="--json" in argv)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            return outcome.exit_code  # the reader went away (`conch ls | head`): nobody is left to tell
        with suppress(OSError):
            _print(f"cannot write the result: {error.strerror}", to_stderr=True)
        return outcome.exit_code or MissingError.exit_code
    return outcome.exit_code


def _outcome_of(argv: Sequence[str]) -> Outcome:  # noqa: PLR0911  one return for each way to end
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
        untold = Problem("interrupted" if isinstance(error, Interrupted) else "failed")
        return Outcome(exit_code=exit_code_of(error), problems=error.problems or (untold,))
    except (BrokenPipeError, SystemExit):  # click makes the second of the first
        return Outcome(silent=True)
    except Exception as error:  # noqa: BLE001  the one boundary
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            full = Problem(f"disk full: {error.strerror}", str(error.filename or ""), "free some space")
            return Outcome(exit_code=MissingError.exit_code, problems=(full,))
        return Outcome(exit_code=1, problems=(_bug(error),))


def envelope(command: str, *, ok: bool, data: Any, problems: Sequence[Problem]) -> str:
    """The one JSON object of `--json`."""
    listed = [{"what": problem.what, "where": problem.where, "hint": problem.hint} for problem in problems]
    return json.dumps(
        {"version": 1, "command": command, "ok": ok, "data": data, "problems": listed},
        ensure_ascii=False,
        default=str,
    )


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
        _print(str(problem), to_stderr=True)


def _print(text: str, *, to_stderr: bool = False) -> None:
    """Print, whatever the stream can encode: a C locale shows escapes instead of failing."""
    stream = sys.stderr if to_stderr else sys.stdout
    if stream is None:  # closed by whoever started this (`>&-`)
        return
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def _of_click(error: click.ClickException) -> Problem:
    usage = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "conch"
    return Problem(error.format_message(), hint=f"{usage} --help")


def _bug(error: Exception) -> Problem:
    what = f"a bug in Conch: {type(error).__name__}: {error}"
    try:
        return Problem(what, where=_crash_file(error), hint="please report it, with that file")
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
