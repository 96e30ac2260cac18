"""The shape of a verb: a click command whose body returns an Outcome, which main.py prints."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from importlib import import_module
from math import isnan
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli.text.program import runnable
from orchestrator.errors import Problem, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb returns.

    Attributes:
        data: the `data` of the JSON envelope.
        text: the result for people, printed on stdout; "" for none.
        exit_code: 0, or 5 when it ran and the answer is no.
        problems: what the user should fix.
        silent: everything was printed already (--help); print no envelope either.
    """

    data: Mapping[str, object] = field(default_factory=dict)
    text: str = ""
    exit_code: int = 0
    problems: tuple[Problem, ...] = ()
    silent: bool = False


class Number(click.FloatRange):
    """A number within a range; click's own takes nan, which is above no end and below none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        return self.fail(f"{value} is not a number.", param, ctx) if isnan(number) else number


class _Examples(click.Command):
    """Its examples can be typed where the help is printed."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        self.epilog = runnable(self.epilog or "")
        super().format_epilog(ctx, formatter)


class Group(_Examples, click.Group):
    """A click group with examples."""


class VerbGroup(Group):
    """A click group with a table of verbs, whose modules in orchestrator/cli are imported on use.

    Args:
        verbs: name → its line in `--help`.
        prefix: of the module names.
    """

    def __init__(self, *, verbs: Mapping[str, str], prefix: str = "", **attributes: Any) -> None:
        super().__init__(**attributes)
        self.verbs, self.prefix = verbs, prefix

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The verbs in the order of the table."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb's module; None when there is no such verb."""
        if cmd_name not in self.verbs:
            return None
        command: click.Command = import_module(f"orchestrator.cli.{self.prefix}{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table without importing a verb."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(self.verbs.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest verb."""
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            raise click.UsageError(f'no verb named "{args[0]}"{did_you_mean(args[0], self.verbs)}', ctx)
        return super().resolve_command(ctx, args)


def verb(*, example: str) -> Callable[[Callable[..., Outcome]], click.Command]:
    """Turn a function that returns an Outcome into a click command, with --json and an example.

    The module's name is the verb, the docstring its help. Put click's option decorators below this one.
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
        return click.command(name=name, epilog=epilog, cls=_Examples)(flagged)

    return decorate


def progress(text: str) -> None:
    """Print one line of progress on stderr; stdout carries the result only."""
    from orchestrator.cli.text.terminal import emit

    emit(f"{runnable(text)}\n", sys.stderr)


def current_project() -> Path:
    """The project that the working folder is in."""
    from pathlib import Path

    from orchestrator.execute.project.recipes import project_folder

    return project_folder(Path.cwd())


_Body = TypeVar("_Body", bound=Callable[..., object])

recipe_argument = click.argument("recipe", default="magic_conch", metavar="RECIPE")
set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a recipe value, for example train.epochs=3.",
)
hardware_option = click.option(
    "--hardware",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Hardware profile; auto looks for an NVIDIA GPU.",
)
accept_option = click.option(
    "--accept-mismatch",
    is_flag=True,
    help="Continue although training and serving tokens differ.",
)

split_option = click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default=None,
    help="Part of the data; default: the recipe's evaluate.split, else the first of these that has rows.",
)
limit_option = click.option(
    "--limit", type=click.IntRange(1), default=None, help="Maximum number of rows, evenly spread."
)
detach_option = click.option(
    "--detach", is_flag=True, help="Run in the background; use conch status, logs and stop."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every verb that works on a recipe takes."""

    recipe: str
    sets: Sequence[str]
    hardware: str
    accept_mismatch: bool
    detach: bool

    def request(self, verb: str, **more: object) -> dict[str, object]:
        """The same as a request for the background (execute/daemon.py)."""
        from orchestrator.execute.processes.spawn_daemon import request_of

        return request_of(
            verb,
            self.recipe,
            sets=self.sets,
            hardware=self.hardware,
            accept_mismatch=self.accept_mismatch,
            **more,
        )


def run_options(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Add RECIPE, --set, --hardware, --accept-mismatch and --detach; the verb gets them as `options`."""

    @wraps(function)
    def packed(
        *,
        recipe: str,
        sets: Sequence[str],
        hardware: str,
        accept_mismatch: bool,
        detach: bool,
        **more: object,
    ) -> Outcome:
        options = RunOptions(
            recipe=recipe, sets=sets, hardware=hardware, accept_mismatch=accept_mismatch, detach=detach
        )
        return function(options=options, **more)

    for option in (detach_option, accept_option, hardware_option, set_option, recipe_argument):
        packed = option(packed)
    return packed


def base_url_option(text: str) -> Callable[[_Body], _Body]:
    """--base-url, with its help; an address that holds a secret is refused before anything repeats it."""

    def checked(_: click.Context, __: click.Parameter, value: str) -> str:
        from orchestrator.execute.inference.api_key import checked_url

        return checked_url(value) if value else ""

    return click.option("--base-url", default="", metavar="URL", callback=checked, help=text)


def server_options(function: _Body) -> _Body:
    """Add --base-url, --model and --key-file to a verb that talks to a server."""
    from pathlib import Path

    for option in (
        click.option(
            "--key-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="File with the server's API key, readable only by you; default: CONCH_API_KEY.",
        ),
        click.option(
            "--model", default="", metavar="NAME", help="Name of the served model; default: the recipe's."
        ),
        base_url_option("Base URL of the server; default: where conch serve listens."),
    ):
        function = option(function)
    return function
