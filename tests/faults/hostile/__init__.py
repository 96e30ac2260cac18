r"""Hostile inputs: what a command line answers to files, names, servers and settings that mean harm.

A table per surface (recipe_files.py, urls.py, …). Each case is run by the real command line in a process of
its own and measured (runner.py). It is handled if the exit code is the expected one, every expected word is
there, it took at most 10 seconds and 300 MB, printed no control character, no traceback, and left nothing
running.

To add a case, add it to the table of its surface (or write a new file here with a `CASES` of its own):

    Hostile(
        "an alias of itself",                              # the id: recipe_files-an alias of itself
        recipe_text("train: &t {a: *t}\n"),                # makes the small project hostile
        ("plan", "small"),                                 # the words typed; {url} is place.named["url"]
        2,                                                 # the exit code
        ("recipes/small.yaml:1", "contains itself"),       # what it must say
    )

    timeout 60 .venv/bin/python -m pytest -q tests/faults/hostile -k "alias of itself"

`make` gets a `Place`: the small project (tests/small_world.py) as `place.world`, its folder as
`place.project`. It writes what it wants; a server is entered with `place.enter(context)` and is closed
after the case; what is not known before goes to `place.named`. `also_json=True` runs the case again with
--json and looks for the same words in the problems of the envelope; a case whose words have --json is
judged by its envelope alone. A case costs 0.1 s of CPU, plus what the probes cost that it starts; the
world's engines are the fakes of tests/fakes.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from tests.small_world import SmallWorld

_T = TypeVar("_T")


@dataclass(frozen=True)
class Place:
    """Where a case happens: the small project, what is open for it, and what became known in making it."""

    world: SmallWorld
    open: ExitStack
    named: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        """The project's folder, which is the working folder of the command."""
        return self.world.project

    def enter(self, context: AbstractContextManager[_T]) -> _T:
        """Open something until the case ends, a server for example."""
        return self.open.enter_context(context)

    def fill(self, text: str) -> str:
        """A text with what became known: `{url}` is named["url"]."""
        for name, value in self.named.items():
            text = text.replace(f"{{{name}}}", value)
        return text


def nothing(_: Place) -> None:
    """Make nothing hostile but the words."""


@dataclass(frozen=True)
class Hostile:
    """One hostile input, and how it is answered.

    Attributes:
        name: its id, with the surface before it.
        make: makes the small project hostile; what it returns is ignored.
        words: the words typed after `conch`.
        code: the exit code.
        says: texts that the output must contain, all of them.
        never: texts that it must not contain: a secret, what a raw file holds.
        stdin: what is typed or piped into it.
        env: variables beside those of the test.
        also_json: run it with --json too.
    """

    name: str
    make: Callable[[Place], object]
    words: tuple[str, ...]
    code: int
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    also_json: bool = False


def write(name: str, content: bytes | str) -> Callable[[Place], object]:
    """Write a file of the project, its folders made."""

    def make(place: Place) -> None:
        path = place.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def together(*makes: Callable[[Place], object]) -> Callable[[Place], object]:
    """One after the other."""

    def make(place: Place) -> None:
        for one in makes:
            one(place)

    return make


def tables() -> dict[str, tuple[Hostile, ...]]:
    """The cases of every surface, by the name of its module."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        cases = getattr(import_module(f"{__name__}.{module.name}"), "CASES", ())
        if cases:
            found[module.name] = tuple(cases)
    return found
