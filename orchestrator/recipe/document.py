"""YAML text → a tree in which every key and value knows where it stands. Pure; never a RecursionError.

Built from the parser's events with a stack of our own, so that depth is a number we choose. Stricter than
YAML: duplicate keys, anchors, aliases, tags, `${…}`, a second document, a byte order mark and control
characters are refused. Plain scalars follow YAML 1.1 where people rely on it (on, off, yes, no) and 1.2
where 1.1 surprises them: 1e-4 is a number; 22:22, 0123 and 2024-01-01 are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from orchestrator.errors import Problem
from orchestrator.recipe.scalars import resolve

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # a PyYAML that was built without libyaml: slower, the same events
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

SIZE_LIMIT = 1 << 20
DEPTH_LIMIT = 32
_PROBLEM_LIMIT = 20

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Source:
    """A recipe file: the path as shown to people, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a document.

    Attributes:
        value: dict of Node, list of Node, or None, bool, int, float, str.
        where: `file:line:column` of the value (or `--set …`).
        key_where: the same of its key; where for an item of a list.
        path: the dotted key as written (hardware.cpu.train.epochs).
        text: a scalar as written.
    """

    value: Any
    where: str
    key_where: str = ""
    path: str = ""
    text: str = ""

    @property
    def plain(self) -> Any:
        """The value without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text; root is None when it could not be read to its end."""

    root: Node | None
    problems: tuple[Problem, ...] = ()


@lru_cache(maxsize=32)
def parse(source: Source) -> Document:
    """A recipe file's tree: a mapping, or problems that say why not."""
    document = _read(source.text, _Builder(source.path))
    if document.root is None or isinstance(document.root.value, dict):
        return document
    words = {str: "text", list: "a list", type(None): "nothing"}
    got = words.get(type(document.root.value), "a value")
    problem = Problem(
        f"the top level must be a mapping, got {got}",
        document.root.where,
        "start with lines such as `model:` and `data:`; recipes/magic_conch.yaml shows them",
    )
    return Document(None, (*document.problems, problem))


def parse_value(text: str, *, where: str, path: str) -> Document:
    """The tree of one value given outside a file; every part of it stands at `where`."""
    return _read(text, _Builder(where, fixed=True, root_path=path))


def _read(text: str, builder: _Builder) -> Document:
    refusal = _refuse(text, builder)
    if refusal:
        return Document(None, (refusal,))
    try:
        for event in _events(text):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        return Document(None, (*builder.problems, _syntax(error, text, builder)))
    except yaml.YAMLError as error:
        return Document(None, (*builder.problems, Problem(f"not YAML: {error}", builder.name)))
    except _StopError:
        return Document(None, tuple(builder.problems))
    root = builder.root or Node(None, builder.at(0, 0), path=builder.root_path)
    return Document(root, tuple(builder.problems))


def _events(text: str) -> Iterator[Any]:
    # Flow collections hold the parser's work before the first event of a deep one, hence no list() here.
    yield from yaml.parse(text, Loader=Loader)


def _refuse(text: str, builder: _Builder) -> Problem | None:
    """What is wrong with the characters, before any parsing."""
    if len(text) > SIZE_LIMIT or len(text.encode("utf-8", "surrogatepass")) > SIZE_LIMIT:
        return Problem("larger than 1 MiB: this is not a recipe", builder.name)
    if text.startswith("\ufeff"):
        return Problem("starts with a byte order mark", builder.at(0, 0), "save it as UTF-8 without BOM")
    bad = _UNPRINTABLE.search(text)
    if bad:
        line = text.count("\n", 0, bad.start())
        column = bad.start() - (text.rfind("\n", 0, bad.start()) + 1)
        what = f"the character U+{ord(bad.group()):04X} does not belong in a recipe"
        return Problem(what, builder.at(line, column), "delete it")
    return None


def _syntax(error: yaml.MarkedYAMLError, text: str, builder: _Builder) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(f"not YAML: {error.problem or error.context}", builder.name)
    lines = text.split("\n")
    shown = lines[mark.line] if mark.line < len(lines) else ""
    what = ", ".join(part for part in (error.problem, error.context) if part)
    mend = ""
    if "\t" in shown[: mark.column + 1]:
        what, mend = "a tab: YAML is indented with spaces", "replace the tab by spaces"
    elif "cannot start any token" in what:
        mend = "put the value in quotes"
    excerpt = f"\n    {mark.line + 1} | {shown.strip()[:120]!s}" if shown.strip() else ""
    return Problem(f"not YAML: {what}{excerpt}", builder.at(mark.line, mark.column), mend)


class _StopError(Exception):
    """There is no point in reading on; the reason is among the problems."""


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    value: Any
    where: str
    key_where: str
    path: str
    key: str | None = None
    next_key_where: str = ""


@dataclass(slots=True)
class _Builder:
    """Makes the tree of a stream of events."""

    name: str
    fixed: bool = False
    root_path: str = ""
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    documents: int = 0

    def at(self, line: int, column: int) -> str:
        """A place as people count: from 1."""
        return self.name if self.fixed else f"{self.name}:{line + 1}:{column + 1}"

    def feed(self, event: Any) -> None:
        """Take the next event."""
        place = self.at(event.start_mark.line, event.start_mark.column)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.stop(
                    "a second document (---): a recipe is one", place, "delete the line, or make two files"
                )
        elif isinstance(event, yaml.AliasEvent):
            self.problem(
                "recipes have no aliases (*name)", place, "write the value, in quotes if it starts with *"
            )
            self.add(None, place, "")
        elif isinstance(event, yaml.ScalarEvent):
            self.refuse_extras(event, place)
            self.scalar(event, place)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.refuse_extras(event, place)
            self.begin(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.end()

    def scalar(self, event: Any, place: str) -> None:
        """A key or a value."""
        if "${" in event.value:
            self.problem(
                "recipes have no ${…} interpolation", place, "write the value itself, or give it with --set"
            )
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self.key(top, event.value, place)
            return
        value = resolve(event.value) if event.implicit[0] else event.value
        self.add(value, place, event.value)

    def key(self, top: _Open, key: str, place: str) -> None:
        """Remember a key; a second one of the same name is a problem."""
        if key in top.value:
            first = top.value[key].key_where
            dotted = f"{top.path}.{key}" if top.path else key
            line = first.split(":")[-2] if first.count(":") >= 2 else "1"  # noqa: PLR2004
            self.problem(
                f"{dotted}: stands here a second time; the first is in line {line}", place, "keep one"
            )
        top.key, top.next_key_where = key, place

    def begin(self, event: Any, place: str) -> None:
        """A mapping or a list opens."""
        if len(self.open) >= DEPTH_LIMIT:
            self.stop(f"nested deeper than {DEPTH_LIMIT} levels", place, "")
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self.stop("a key must be a plain word, not a list or a mapping", place, "put it in quotes")
        path, key_where = self.position(place)
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.open.append(_Open(value, place, key_where, path))

    def end(self) -> None:
        """The innermost collection is complete."""
        done = self.open.pop()
        self.place(Node(done.value, done.where, done.key_where, done.path))

    def add(self, value: Any, where: str, text: str) -> None:
        """A scalar is complete."""
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self.stop("a key must be a plain word", where, "")
        path, key_where = self.position(where)
        self.place(Node(value, where, key_where, path, text))

    def position(self, where: str) -> tuple[str, str]:
        """The dotted path of the value that comes now, and where its key is."""
        if not self.open:
            return self.root_path, where
        top = self.open[-1]
        if isinstance(top.value, list):
            return f"{top.path}[{len(top.value)}]", where
        return (f"{top.path}.{top.key}" if top.path else str(top.key)), top.next_key_where

    def place(self, node: Node) -> None:
        """Put a complete value where it belongs."""
        if not self.open:
            self.root = node
            return
        top = self.open[-1]
        if isinstance(top.value, list):
            top.value.append(node)
        else:
            top.value[str(top.key)] = node
            top.key = None

    def refuse_extras(self, event: Any, place: str) -> None:
        """Tags and anchors have no use in a recipe; nothing is ever built of a tag."""
        if event.tag is not None:
            self.problem(
                f"recipes have no tags ({event.tag})", place, "put the value in quotes if it starts with !"
            )
        if event.anchor is not None:
            self.problem(
                f"recipes have no anchors (&{event.anchor})",
                place,
                "put the value in quotes if it starts with &",
            )

    def problem(self, what: str, where: str, mend: str) -> None:
        """Note a problem; too many of them end the reading."""
        self.problems.append(Problem(what, where, mend))
        if len(self.problems) >= _PROBLEM_LIMIT:
            raise _StopError

    def stop(self, what: str, where: str, mend: str) -> None:
        """Note a problem that nothing can be read after."""
        self.problem(what, where, mend)
        raise _StopError
