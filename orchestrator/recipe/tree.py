"""The tree of a YAML document, built from the parser's events with a depth limit of our own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from orchestrator.errors import Problem
from orchestrator.recipe.scalars import resolve

DEPTH_LIMIT = 32
KEY_LIMIT = 128
_PROBLEM_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a document: a dict or list of Nodes, or a scalar.

    Attributes:
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


class StopReading(Exception):
    """Reading further makes no sense; the reason is among the problems."""


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been reached."""

    value: Any
    where: str
    key_where: str
    path: str
    key: str | None = None
    next_key_where: str = ""


@dataclass(slots=True)
class Builder:
    """Builds the tree of a stream of events."""

    name: str
    fixed: bool = False
    root_path: str = ""
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    documents: int = 0

    def at(self, line: int, column: int) -> str:
        """A position, counted from 1."""
        return self.name if self.fixed else f"{self.name}:{line + 1}:{column + 1}"

    def feed(self, event: yaml.Event) -> None:
        """Take the next event."""
        mark = event.start_mark
        where = self.at(mark.line, mark.column) if mark else self.name
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.stop(
                    "a second document (---): a recipe is one document",
                    where,
                    "delete the line, or make two files",
                )
        elif isinstance(event, yaml.AliasEvent):
            self.problem(
                "recipes do not support aliases (*name)",
                where,
                "write the value, in quotes if it starts with *",
            )
            self.add(None, where, "")
        elif isinstance(event, yaml.ScalarEvent):
            self.refuse_extras(event, where)
            self.scalar(event, where)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.refuse_extras(event, where)
            self.begin(event, where)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.end()

    def scalar(self, event: yaml.ScalarEvent, where: str) -> None:
        """A key or a value."""
        if "${" in event.value:
            self.problem(
                "recipes do not support ${…} interpolation",
                where,
                "write the value itself, or pass it with --set",
            )
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self.key(top, event.value, where)
            return
        value = resolve(event.value) if event.implicit[0] else event.value
        self.add(value, where, event.value)

    def key(self, top: _Open, key: str, where: str) -> None:
        """Remember a key; a duplicate is a problem."""
        if len(key) > KEY_LIMIT or not key.isprintable():
            self.stop(f"a key must be a printable word of at most {KEY_LIMIT} characters", where, "")
        if key in top.value:
            first = top.value[key].key_where
            dotted = f"{top.path}.{key}" if top.path else key
            line = first.split(":")[-2] if first.count(":") >= 2 else "1"  # noqa: PLR2004
            self.problem(f"{dotted}: duplicate key; the first one is on line {line}", where, "keep one")
        top.key, top.next_key_where = key, where

    def begin(self, event: yaml.CollectionStartEvent, where: str) -> None:
        """A mapping or a list opens."""
        if len(self.open) >= DEPTH_LIMIT:
            self.stop(f"nested deeper than {DEPTH_LIMIT} levels", where, "")
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self.stop("a key must be a plain word, not a list or a mapping", where, "put it in quotes")
        path, key_where = self.position(where)
        value: dict[str, Node] | list[Node] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.open.append(_Open(value, where, key_where, path))

    def end(self) -> None:
        """The innermost collection is complete."""
        done = self.open.pop()
        self.insert(Node(done.value, done.where, done.key_where, done.path))

    def add(self, value: object, where: str, text: str) -> None:
        """A scalar is complete."""
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self.stop("a key must be a plain word", where, "")
        path, key_where = self.position(where)
        self.insert(Node(value, where, key_where, path, text))

    def position(self, where: str) -> tuple[str, str]:
        """The dotted path of the next value, and the position of its key."""
        if not self.open:
            return self.root_path, where
        top = self.open[-1]
        if isinstance(top.value, list):
            return f"{top.path}[{len(top.value)}]", where
        return (f"{top.path}.{top.key}" if top.path else str(top.key)), top.next_key_where

    def insert(self, node: Node) -> None:
        """Insert a complete value."""
        if not self.open:
            self.root = node
            return
        top = self.open[-1]
        if isinstance(top.value, list):
            top.value.append(node)
        else:
            top.value[str(top.key)] = node
            top.key = None

    def refuse_extras(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, where: str) -> None:
        """Refuse tags and anchors: a recipe needs neither, and nothing is ever built from a tag."""
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")[:60]
            self.problem(
                f"recipes do not support tags ({tag})", where, "put the value in quotes if it starts with !"
            )
        if event.anchor is not None:
            self.problem(
                f"recipes do not support anchors (&{event.anchor})",
                where,
                "put the value in quotes if it starts with &",
            )

    def problem(self, what: str, where: str, hint: str) -> None:
        """Record a problem; too many of them stop the reading."""
        self.problems.append(Problem(what, where, hint))
        if len(self.problems) >= _PROBLEM_LIMIT:
            raise StopReading

    def stop(self, what: str, where: str, hint: str) -> None:
        """Record a problem after which nothing can be read."""
        self.problem(what, where, hint)
        raise StopReading
