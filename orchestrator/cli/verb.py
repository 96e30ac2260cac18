"""The shape of a verb: a click command whose body returns an Outcome; printing it is main.py's work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

import click

from orchestrator.errors import Problem, did_you_mean


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb has to say.

    Attributes:
        data: the `data` of the JSON envelope.
        text: the result for a person, printed on stdout; may be several lines, "" for none.
        exit_code: 0, or 5 when it ran and the answer is no.
        problems: what else a person should fix.
        silent: all was said already (--help); nothing is printed, no envelope either.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    exit_code: int = 0
    problems: tuple[Problem, ...] = ()
    silent: bool = False


class VerbGroup(click.Group):
    """A click group with a table of verbs, whose modules in orchestrator/cli are imported on use.

    Args:
        verbs: name → what `--help` says of it.
        prefix: of the names of their modules.
    """

    def __init__(self, *args: Any, verbs: Mapping[str, str], prefix: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verbs, self.prefix = verbs, prefix

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names in the table's order."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb's module; None when there is no such verb."""
        if cmd_name not in self.verbs:
            return None
        command: click.Command = import_module(f"orchestrator.cli.{self.prefix}{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table itself, without importing a verb."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(self.verbs.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which verb may have been meant."""
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            raise click.UsageError(f'no verb named "{args[0]}"{did_you_mean(args[0], self.verbs)}', ctx)
        return super().resolve_command(ctx, args)


def verb(*, example: str) -> Callable[[Callable[..., Outcome]], click.Command]:
    """Make a click command of a function that returns an Outcome; adds --json and the example.

    The module's name is the verb's, the docstring its help. Apply click's option decorators below it.
    """

    def decorate(function: Callable[..., Outcome]) -> click.Command:
        epilog = "\b\nExample:\n  " + example.replace("\n", "\n  ")
        flagged = click.option(
            "--json",
            "as_json",
            is_flag=True,
            expose_value=False,
            help="Print one JSON object instead of text.",
        )(function)
        name = function.__module__.rpartition(".")[2].rpartition("_")[2]
        return click.command(name=name, epilog=epilog)(flagged)

    return decorate


def progress(text: str) -> None:
    """One line for the person who waits; goes to stderr, so that stdout is the result alone."""
    print(text, file=sys.stderr, flush=True)


_Body = TypeVar("_Body", bound=Callable[..., Any])

recipe_argument = click.argument("recipe", default="magic_conch", metavar="RECIPE")
set_option = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a recipe value, e.g. train.epochs=3."
)
hardware_option = click.option(
    "--hardware",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="The hardware profile; auto looks for an NVIDIA GPU.",
)
accept_option = click.option(
    "--accept-mismatch",
    is_flag=True,
    help="Go on although the tokens of training and of serving differ.",
)


split_option = click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default=None,
    help="Which rows; default: the recipe's evaluate.split, else the first of these that has rows.",
)
limit_option = click.option("--limit", type=click.IntRange(1), default=None, help="Most rows, evenly spread.")
detach_option = click.option(
    "--detach", is_flag=True, help="Go on in the background; conch status, logs and stop find it."
)


def server_options(function: _Body) -> _Body:
    """--base-url, --model and --key-file, of a verb that talks to a server."""
    from pathlib import Path

    for option in (
        click.option(
            "--key-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The server's key, in a file that only you can read; default: CONCH_API_KEY.",
        ),
        click.option(
            "--model", default="", metavar="NAME", help="The served model's name; default: the recipe's."
        ),
        click.option(
            "--base-url", default="", metavar="URL", help="The server; default: where conch serve listens."
        ),
    ):
        function = option(function)
    return function
