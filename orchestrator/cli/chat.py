"""`conch chat`: a conversation with a served model, its answers shown as they come."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from orchestrator.cli.terminal import emit, visible
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
    from orchestrator.execute.client import Client

_HELP = "/reset forgets the conversation, /exit ends (or Ctrl-D), Ctrl-C stops an answer, /help says this"
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


@dataclass(slots=True)
class _Talk:
    """A conversation and how it is shown."""

    client: Client
    system: str
    interactive: bool
    as_json: bool
    messages: list[dict[str, str]] = field(default_factory=list)
    turns: list[dict[str, str]] = field(default_factory=list)

    def reset(self) -> None:
        """Forget everything but the system prompt."""
        self.messages = [{"role": "system", "content": self.system}] if self.system else []


@verb(example="conch chat magic_conch\nprintf '请问你是谁\\n' | conch chat magic_conch")
@recipe_argument
@server_options
@click.option("--system", default="", metavar="TEXT", help="A system prompt.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=512, show_default=True)
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True)
@set_option
@hardware_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    recipe: str,
    base_url: str,
    model: str,
    key_file: Path | None,
    system: str,
    max_tokens: int,
    temperature: float,
    sets: Sequence[str],
    hardware: str,
) -> Outcome:
    """Talk to a served model: several turns, shown as they come; /reset, /exit, /help.

    Without a terminal on standard input, each line of it is a question. With --json, each turn is a line of
    JSON and the envelope ends them.
    """
    from orchestrator.execute.client import Client
    from orchestrator.execute.endpoint import served
    from orchestrator.execute.key import read_key

    key = read_key(key_file)
    if not (base_url and model):
        address, name = served(recipe, start=Path.cwd(), sets=sets, hardware=hardware)
        base_url, model = base_url or address, model or name
    with Client(base_url, model, key=key, max_tokens=max_tokens, temperature=temperature) as client:
        client.reach(mend=f"conch serve {recipe}")
        as_json = ctx.get_parameter_source("as_json") is ParameterSource.COMMANDLINE
        talk = _Talk(client, system, sys.stdin.isatty() and not as_json, as_json)
        talk.reset()
        if talk.interactive:
            progress(f"{visible(model)} at {client.base_url}\n{_HELP}")
        for line in _lines(interactive=talk.interactive):
            if _obeyed(talk, line):
                break
    return Outcome(data={"base_url": client.base_url, "model": model, "turns": talk.turns})


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
    from orchestrator.execute.trouble import Trouble

    talk.messages.append({"role": "user", "content": question})
    try:
        content, stopped = _shown(talk)
    except Trouble as trouble:
        del talk.messages[-1]
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
