"""`conch chat`: a conversation with a served model, its answers shown as they come."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orchestrator.cli.text.terminal import emit, visible
from orchestrator.cli.verb import (
    Outcome,
    hardware_option,
    progress,
    recipe_argument,
    server_options,
    set_option,
    verb,
)
from orchestrator.errors import Problem, StageFailed, UsageError

if TYPE_CHECKING:
    from orchestrator.execute.inference.client import Client

_HELP = "/reset forgets the conversation, /exit ends (or Ctrl-D), Ctrl-C stops an answer, /help says this"
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


@dataclass(slots=True)
class _Talk:
    """A conversation and how it is shown; `alive` raises what ended a server of our own."""

    client: Client
    system: str
    interactive: bool
    as_json: bool
    alive: Callable[[], None] = lambda: None
    messages: list[dict[str, str]] = field(default_factory=list)
    turns: list[dict[str, str]] = field(default_factory=list)

    def reset(self) -> None:
        """Forget everything but the system prompt."""
        self.messages = [{"role": "system", "content": self.system}] if self.system else []


@verb(
    example="conch chat magic_conch\n"
    "conch chat magic_conch --checkpoint last\n"
    "printf '请问你是谁\\n' | conch chat magic_conch"
)
@recipe_argument
@click.option(
    "--checkpoint",
    default="",
    metavar="last|N",
    help="Serve this checkpoint of the last run for as long as you talk: before any merging.",
)
@server_options
@click.option("--system", default="", metavar="TEXT", help="A system prompt.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=512, show_default=True)
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True)
@set_option
@hardware_option
def command(
    *,
    recipe: str,
    checkpoint: str,
    system: str,
    max_tokens: int,
    temperature: float,
    **server: Any,
) -> Outcome:
    """Talk to a served model: several turns, shown as they come; /reset, /exit, /help.

    Without a terminal on standard input, each line of it is a question. With --json, each turn is a line of
    JSON and the envelope ends them. With --checkpoint a server of that checkpoint is started on a free port,
    also of a training that goes on, and is gone when the conversation ends.
    """
    from orchestrator.execute.inference.client import Client

    as_json = click.get_current_context().get_parameter_source("as_json") is ParameterSource.COMMANDLINE
    with (
        _server(recipe, checkpoint, **server) as found,
        Client(
            found.base_url, found.model, key=found.key, max_tokens=max_tokens, temperature=temperature
        ) as client,
    ):
        client.reach(hint=f"conch serve {recipe}")
        talk = _Talk(client, system, sys.stdin.isatty() and not as_json, as_json, found.alive)
        talk.reset()
        if talk.interactive:
            progress(f"{visible(found.model)} at {client.base_url}\n{_HELP}")
        for line in _lines(interactive=talk.interactive):
            if _obeyed(talk, line):
                break
    data = {"base_url": client.base_url, "model": found.model, "turns": talk.turns}
    return Outcome(data=data | ({"run": found.run} if found.run else {}))


@dataclass(frozen=True, slots=True)
class _Server:
    """Who answers."""

    base_url: str
    model: str
    key: str = ""
    run: str = ""
    alive: Callable[[], None] = lambda: None


@contextmanager
def _server(
    recipe: str,
    checkpoint: str,
    *,
    base_url: str,
    model: str,
    key_file: Path | None,
    sets: Sequence[str],
    hardware: str,
) -> Iterator[_Server]:
    """The server that is up, or one of a checkpoint for the time."""
    if not checkpoint:
        from orchestrator.execute.inference.api_key import read_key
        from orchestrator.execute.project.endpoint import served

        key = read_key(key_file)
        if not (base_url and model):
            address, name = served(recipe, start=Path.cwd(), sets=sets, hardware=hardware)
            base_url, model = base_url or address, model or name
        yield _Server(base_url, model, key)
        return
    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.execute.project import recipes
    from orchestrator.execute.serving.serve_checkpoint import served_checkpoint

    given: dict[str, Any] = {"--base-url": base_url, "--model": model, "--key-file": key_file, "--set": sets}
    given["--hardware"] = hardware != "auto"
    if lost := [name for name, value in given.items() if value]:
        raise click.UsageError(f"--checkpoint starts a server of its own: leave {', '.join(lost)} out")
    number, project = checkpoint.removeprefix("checkpoint-"), recipes.project_folder(Path.cwd())
    with served_checkpoint(recipe, number, project=project, progress=TerminalProgress()) as one:
        yield _Server(one.server.url, one.model, run=one.run.name, alive=one.server.check)


def _lines(*, interactive: bool) -> Iterator[str]:
    """What the person types, or the lines of standard input, which are UTF-8 whatever the locale says."""
    if interactive:
        import readline  # noqa: F401  gives input() editing that knows wide characters, and a history
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    while True:
        try:
            line = input("> " if interactive else "")
        except EOFError:
            if interactive:
                emit("\n")
            return
        if not line.isascii() and any("\ud800" <= character <= "\udfff" for character in line):
            raise UsageError(Problem("a question that is not UTF-8", where="standard input"))
        yield line.strip()


def _obeyed(talk: _Talk, line: str) -> bool:
    """Do what a line says; True when it ends the conversation."""
    if line in ("/exit", "/quit"):
        return True
    if line == "/reset":
        talk.reset()
        progress("forgotten")
    elif line == "/help":
        progress(_HELP)
    elif line.startswith("/"):
        progress(f"no such word: {visible(line.split(maxsplit=1)[0])}; {_HELP}")
    elif line:
        _answer(talk, line)
    return False


def _answer(talk: _Talk, question: str) -> None:
    """Ask, show the answer as it comes, and remember both; a failure is told and forgotten."""
    from orchestrator.execute.inference.request_errors import RequestError

    talk.messages.append({"role": "user", "content": question})
    try:
        content, stopped = _shown(talk)
    except RequestError as trouble:
        del talk.messages[-1]
        talk.alive()
        if not talk.interactive:
            raise StageFailed(Problem(str(trouble), where=talk.client.base_url)) from trouble
        progress(f"no answer: {visible(str(trouble))}")
        return
    if content:
        talk.messages.append({"role": "assistant", "content": content})
    else:
        del talk.messages[-1]
        progress("no answer came, or thinking alone; the question is forgotten")
    row = {"question": question, "answer": content}
    talk.turns.append(row)
    if talk.as_json:
        emit(json.dumps(row, ensure_ascii=False) + "\n")
    elif stopped:
        progress("stopped")


def _shown(talk: _Talk) -> tuple[str, bool]:
    """The answer, and whether Ctrl-C ended it. Thinking is dim, and shown on a terminal alone."""
    content, thinking = "", False
    pieces = talk.client.stream(talk.messages)
    dims = talk.interactive and sys.stdout.isatty()
    try:
        for piece in pieces:
            if piece.reasoning and dims:
                emit(("" if thinking else _DIM) + visible(piece.reasoning))
                thinking = True
            if piece.content and thinking:
                emit(_PLAIN + "\n")
                thinking = False
            # A reasoning parser leaves newlines before the answer; they are sent back, not shown.
            told = piece.content if content.strip() else piece.content.lstrip()
            content += piece.content
            if not talk.as_json:
                emit(visible(told))
    except KeyboardInterrupt:
        if not talk.interactive:
            raise
        return content, True
    finally:
        if thinking:
            emit(_PLAIN)
        if not talk.as_json:
            emit("\n")
    return content, False
