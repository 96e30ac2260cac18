"""YAML text → a tree in which every key and value knows its position. Pure; never a RecursionError.

Stricter than YAML: duplicate keys, anchors, aliases, tags, `${…}`, a second document, a byte order mark and
control characters are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import yaml

from orchestrator.errors import Problem
from orchestrator.recipe.tree import Builder, Node, StopReading

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # a PyYAML that was built without libyaml: slower, the same events
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

SIZE_LIMIT = 1 << 20

# NEL, U+2028 and U+2029 too: YAML starts a line there and editors do not, so positions would be off.
_UNWANTED = frozenset(
    chr(code) for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160), 0x2028, 0x2029)
)

_QUOTABLE = re.compile(
    "cannot start any token|scanning an? (alias|anchor|tag)|mapping values are not allowed"
)


@dataclass(frozen=True, slots=True)
class RecipeSource:
    """A recipe file: its path as displayed, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text; root is None when it could not be read to the end."""

    root: Node | None
    problems: tuple[Problem, ...] = ()


@lru_cache(maxsize=32)
def parse(source: RecipeSource) -> Document:
    """A recipe file's tree, a mapping; otherwise problems."""
    document = _read(source.text, Builder(source.path))
    if document.root is None or isinstance(document.root.value, dict):
        return document
    words = {str: "text", list: "a list", type(None): "nothing", int: "a number", float: "a number"}
    got = words.get(type(document.root.value), "a value")
    problem = Problem(
        f"the top level must be a mapping, got {got}",
        document.root.where,
        "start with lines such as `model:` and `data:`; recipes/magic_conch.yaml shows them",
    )
    return Document(None, (*document.problems, problem))


def parse_value(text: str, *, where: str, path: str) -> Document:
    """The tree of one value given outside a file; `where` is the position of all its parts."""
    return _read(text, Builder(where, fixed=True, root_path=path))


def _read(text: str, builder: Builder) -> Document:
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
    except StopReading:
        return Document(None, tuple(builder.problems))
    root = builder.root or Node(None, builder.at(0, 0), path=builder.root_path)
    return Document(root, tuple(builder.problems))


def _events(text: str) -> Iterator[yaml.Event]:
    # No list(): a deep flow collection must reach the depth limit before the parser has read all of it.
    yield from yaml.parse(text, Loader=Loader)


def _refuse(text: str, builder: Builder) -> Problem | None:
    """A problem with the characters, found before parsing."""
    if len(text) > SIZE_LIMIT or len(text.encode("utf-8", "surrogatepass")) > SIZE_LIMIT:
        return Problem("larger than 1 MiB: not a recipe", builder.name)
    if text.startswith("\ufeff"):
        return Problem("starts with a byte order mark", builder.at(0, 0), "save it as UTF-8 without BOM")
    bad = [letter for letter in set(text) if letter in _UNWANTED or "\ud800" <= letter <= "\udfff"]
    if bad:
        start = min(text.index(letter) for letter in bad)
        line = text.count("\n", 0, start)
        column = start - (text.rfind("\n", 0, start) + 1)
        what = f"the character U+{ord(text[start]):04X} is not allowed in a recipe"
        return Problem(what, builder.at(line, column), "delete it")
    return None


def _syntax(error: yaml.MarkedYAMLError, text: str, builder: Builder) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(f"not YAML: {error.problem or error.context}", builder.name)
    lines = text.split("\n")
    shown = lines[mark.line] if mark.line < len(lines) else ""
    what = ", ".join(part for part in (error.problem, error.context) if part)
    hint = ""
    if "\t" in shown[: mark.column + 1]:
        what, hint = "a tab: YAML uses spaces for indentation", "replace the tab with spaces"
    elif _QUOTABLE.search(what):
        hint = "put the value in quotes"
    visible = shown.rstrip()[:120].replace("\t", "\\t")
    excerpt = f"\n    {mark.line + 1} | {visible}" if visible else ""
    return Problem(f"not YAML: {what}{excerpt}", builder.at(mark.line, mark.column), hint)
