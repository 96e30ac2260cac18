"""The command line: the table of verbs and the one boundary that turns errors into words and exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from orchestrator import __version__
from orchestrator.cli.verb import Outcome
from orchestrator.errors import ConchError, Interrupted, Problem, exit_code_of

# One line a verb: module in orchestrator/cli, and what `conch --help` says of it. A verb's module is
# imported when the verb is used, never for `conch --help` (benchmarks/cold_start.py).
VERBS: dict[str, str] = {
    "run": "Everything: fetch, train, export, serve, ask, judge, report.",
    "sft": "Fine-tune and export: every stage up to the proven export.",
    "serve": "Serve the last good export over an OpenAI-compatible endpoint.",
    "verify": "Ask a server the recipe's questions and judge the answers.",
    "chat": "Talk to a served model.",
    "parity": "Compare the tokens of training with the tokens of serving.",
    "plan": "Print the resolved recipe, every file and every command; touch nothing.",
    "ls": "List recipes, datasets, chat templates and runs.",
    "stop": "Stop every process that Conch started for this project.",
    "env": "Make or lock the train and serve environments.",
    "pull": "Fetch a base model.",
    "doctor": "Say what is missing and the command that mends it.",
    "schema": "Print the JSON Schema of a recipe.",
}


class VerbGroup(click.Group):
    """A click group whose verbs are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names in the table's order."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb's module; None when there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"orchestrator.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table itself, without importing a verb."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which verb may have been meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise click.UsageError(f'no verb named "{args[0]}"{hint}', ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="conch")
def conch() -> None:
    """From a recipe to a fine-tuned model that is served, and the proof that it is the one you trained."""


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:  # noqa: PLR0911  one return for each way to end
    """Run one command line; print its outcome; return the exit code. Raises nothing."""
    as_json = "--json" in argv
    name = next((word for word in argv if not word.startswith("-")), "")
    try:
        outcome = conch.main(args=list(argv), prog_name="conch", standalone_mode=False)
        return _show(name, outcome, as_json=as_json) if isinstance(outcome, Outcome) else int(outcome or 0)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _fail(name, [_of_click(error)], 2, as_json=as_json)
    except (KeyboardInterrupt, click.Abort):
        return _fail(name, [Problem("interrupted")], 130, as_json=as_json)
    except ConchError as error:
        code = exit_code_of(error)
        problems = list(error.problems) or [
            Problem("interrupted" if isinstance(error, Interrupted) else "failed")
        ]
        return _fail(name, problems, code, as_json=as_json)
    except BrokenPipeError:
        # The reader went away (`conch ls | head`): nobody is left to tell. Keep the interpreter from
        # complaining again while it flushes.
        sys.stdout = None
        return 0
    except Exception as error:  # noqa: BLE001  the one boundary
        return _fail(name, [_bug(error)], 1, as_json=as_json)


def envelope(command: str, *, ok: bool, data: Any, problems: Sequence[Problem]) -> str:
    """The one JSON object of `--json`."""
    listed = [{"what": problem.what, "where": problem.where, "mend": problem.mend} for problem in problems]
    return json.dumps(
        {"version": 1, "command": command, "ok": ok, "data": data, "problems": listed},
        ensure_ascii=False,
        default=str,
    )


def _show(name: str, outcome: Outcome, *, as_json: bool) -> int:
    if as_json:
        ok = outcome.exit_code == 0
        _print(envelope(name, ok=ok, data=outcome.data, problems=outcome.problems))
        return outcome.exit_code
    if outcome.text:
        _print(outcome.text)
    for problem in outcome.problems:
        _print(str(problem), to_stderr=True)
    return outcome.exit_code


def _fail(name: str, problems: Sequence[Problem], code: int, *, as_json: bool) -> int:
    if as_json:
        _print(envelope(name, ok=False, data={}, problems=problems))
    else:
        for problem in problems:
            _print(str(problem), to_stderr=True)
    return code


def _print(text: str, *, to_stderr: bool = False) -> None:
    """Print, whatever the stream can encode: a C locale shows escapes instead of failing (faults.md 90)."""
    stream = sys.stderr if to_stderr else sys.stdout
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def _of_click(error: click.ClickException) -> Problem:
    usage = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "conch"
    return Problem(error.format_message(), mend=f"{usage} --help")


def _bug(error: Exception) -> Problem:
    import tempfile
    import traceback
    from pathlib import Path

    with tempfile.NamedTemporaryFile(
        "w", prefix="conch-crash-", suffix=".log", delete=False, encoding="utf-8"
    ) as crash:
        traceback.print_exception(error, file=crash)
    return Problem(
        f"a bug in Conch: {type(error).__name__}: {error}",
        where=str(Path(crash.name)),
        mend="please report it, with that file",
    )
