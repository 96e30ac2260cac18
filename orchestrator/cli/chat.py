"""`conch chat`: a conversation with a served model, its answers streamed."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from orchestrator.cli.text.terminal import emit
from orchestrator.cli.verb import (
    Number,
    Outcome,
    current_project,
    hardware_option,
    progress,
    recipe_argument,
    server_options,
    set_option,
    verb,
)
from orchestrator.errors import Problem, StageFailed, UsageError
from orchestrator.execute.host.redact import secrets_of
from orchestrator.outside import json_text, visible

if TYPE_CHECKING:
    from orchestrator.execute.inference.client import Client

_HELP = "/reset forgets the conversation, /exit or Ctrl-D ends it, Ctrl-C stops an answer, /help shows this"
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


@dataclass(slots=True)
class _Talk:
    """A conversation and how it is shown; `check` raises the error that ended our own server."""

    client: Client
    system: str
    interactive: bool
    as_json: bool
    check: Callable[[], None] = lambda: None
    messages: list[dict[str, str]] = field(default_factory=list)
    turns: list[dict[str, str]] = field(default_factory=list)

    def reset(self) -> None:
        """Forget everything except the system prompt."""
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
    help="Chat with this checkpoint of the latest run, unmerged; its server stops when you leave.",
)
@server_options
@click.option("--system", default="", metavar="TEXT", help="System prompt.")
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=512,
    show_default=True,
    help="Maximum length of an answer in tokens.",
)
@click.option(
    "--temperature",
    type=Number(0, 2),
    default=0.0,
    show_default=True,
    help="Sampling temperature; 0 is greedy.",
)
@set_option
@hardware_option
def command(
    *,
    recipe: str,
    checkpoint: str,
    system: str,
    max_tokens: int,
    temperature: float,
    base_url: str,
    model: str,
    key_file: Path | None,
    sets: Sequence[str],
    hardware: str,
) -> Outcome:
    """Chat with a served model over several turns; /reset, /exit and /help control the conversation.

    If standard input is not a terminal, each of its lines is a question. With --json, each turn is one line
    of JSON and the envelope comes last. With --checkpoint, Conch starts a server for that checkpoint, even
    while training continues, and stops it when the conversation ends.
    """
    from orchestrator.execute.inference.api_key import read_key
    from orchestrator.execute.inference.client import Client
    from orchestrator.execute.project.endpoint import served

    as_json = click.get_current_context().get_parameter_source("as_json") is ParameterSource.COMMANDLINE
    server: AbstractContextManager[_Server]
    if checkpoint:
        options = {"--base-url": base_url, "--model": model, "--key-file": key_file, "--set": sets}
        unused = [name for name, value in options.items() if value]
        if unused := unused + ["--hardware"] * (hardware != "auto"):
            raise click.UsageError(f"--checkpoint starts its own server: omit {', '.join(unused)}")
        server = _checkpoint_server(recipe, checkpoint.removeprefix("checkpoint-"))
    else:
        if not (base_url and model):
            address, name = served(recipe, start=Path.cwd(), sets=sets, hardware=hardware)
            base_url, model = base_url or address, model or name
        server = nullcontext(_Server(base_url, model, read_key(key_file)))
    with (
        server as one,
        Client(
            one.base_url, one.model, key=one.key, max_tokens=max_tokens, temperature=temperature
        ) as client,
    ):
        client.reach(hint=f"conch serve {recipe}")
        talk = _Talk(client, system, sys.stdin.isatty() and not as_json, as_json, one.check)
        talk.reset()
        if talk.interactive:
            progress(f"{visible(one.model)} at {client.base_url}\n{_HELP}")
        for line in _lines(interactive=talk.interactive):
            if _handle(talk, line):
                break
    data = {"base_url": client.base_url, "model": one.model, "turns": talk.turns}
    return Outcome(data | ({"run": one.run} if one.run else {}))


@dataclass(frozen=True, slots=True)
class _Server:
    """The server that answers."""

    base_url: str
    model: str
    key: str = ""
    run: str = ""
    check: Callable[[], None] = lambda: None


@contextmanager
def _checkpoint_server(recipe: str, number: str) -> Iterator[_Server]:
    """A temporary server for a checkpoint of the recipe's latest run."""
    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.execute.serving.serve_checkpoint import served_checkpoint

    project = current_project()
    with served_checkpoint(recipe, number, project=project, progress=TerminalProgress()) as one:
        yield _Server(one.server.url, one.model, run=one.run.name, check=one.server.check)


def _lines(*, interactive: bool) -> Iterator[str]:
    """What the user types, or the lines of standard input: UTF-8 in every locale."""
    if interactive:
        import readline  # noqa: F401  gives input() line editing with wide characters, and a history
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
            raise UsageError(Problem("the question is not UTF-8", where="standard input"))
        yield line.strip()


def _handle(talk: _Talk, line: str) -> bool:
    """Run a command or ask a question; True when the conversation ends."""
    if line in ("/exit", "/quit"):
        return True
    if line == "/reset":
        talk.reset()
        progress("conversation reset")
    elif line == "/help":
        progress(_HELP)
    elif line.startswith("/"):
        progress(f"unknown command {visible(line.split(maxsplit=1)[0])}; {_HELP}")
    elif line:
        _answer(talk, line)
    return False


def _answer(talk: _Talk, question: str) -> None:
    """Ask, stream the answer, and remember both; after a failure, report it and forget the question."""
    from orchestrator.execute.inference.request_errors import RequestError

    talk.messages.append({"role": "user", "content": question})
    try:
        content, stopped = _shown(talk)
    except RequestError as error:
        del talk.messages[-1]
        talk.check()
        if not talk.interactive:
            raise StageFailed(Problem(str(error), where=talk.client.base_url)) from error
        progress(f"no answer: {visible(str(error))}")
        return
    if content:
        talk.messages.append({"role": "assistant", "content": content})
    else:
        del talk.messages[-1]
        progress("no answer, or only thinking; the question is forgotten")
    row = {"question": question, "answer": content}
    talk.turns.append(row)
    if talk.as_json:
        emit(json_text(row, secrets_of()) + "\n")
    elif stopped:
        progress("stopped")


def _shown(talk: _Talk) -> tuple[str, bool]:
    """The answer, and whether Ctrl-C ended it. Thinking is dimmed, and shown on a terminal only."""
    content, thinking = "", False
    deltas = talk.client.stream(talk.messages)
    dims = talk.interactive and sys.stdout.isatty()
    try:
        for delta in deltas:
            if delta.reasoning and dims:
                emit(("" if thinking else _DIM) + visible(delta.reasoning))
                thinking = True
            if delta.content and thinking:
                emit(_PLAIN + "\n")
                thinking = False
            # A reasoning parser leaves newlines before the answer; send them back, but do not show them.
            shown = delta.content if content.strip() else delta.content.lstrip()
            content += delta.content
            if not talk.as_json:
                emit(visible(shown))
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
