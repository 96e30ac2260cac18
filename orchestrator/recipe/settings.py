"""Settings from outside the files (CONCH_SET_A__B, --set a.b=c) as a tree; laying one tree on another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from orchestrator.errors import Problem
from orchestrator.recipe.document import parse_value
from orchestrator.recipe.tree import Node

PREFIX = "CONCH_SET_"
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,9}")
_MODELS = ("model", "hardware.cpu.model", "hardware.cuda.model")


def merge(lower: Node, upper: Node) -> Node:
    """`upper` over `lower`: mappings merge, anything else replaces; an empty section changes nothing."""
    if not isinstance(lower.value, dict):
        return upper
    if upper.value is None:
        return lower
    if not isinstance(upper.value, dict):
        return upper
    below = lower.value
    if lower.path in _MODELS and "base" in upper.value and _differ("base", below, upper.value):
        below = {key: node for key, node in below.items() if key not in ("revision", "hub")}
    merged = dict(below)
    for key, node in upper.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    # A mapping's position is that of the last file with it; settings from outside have none.
    place = upper if upper.where else lower
    return Node(merged, place.where, place.key_where or upper.key_where, place.path or upper.path)


def _differ(key: str, below: Mapping[str, Node], above: Mapping[str, Node]) -> bool:
    return key in below and below[key].value != above[key].value


def settings(environ: Mapping[str, str], sets: Iterable[str]) -> tuple[Node, list[Problem]]:
    """The settings from outside the files as one tree: environment variables, then --set on top."""
    given = [
        (name, name.removeprefix(PREFIX).lower().replace("__", "."), value)
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX) and value
    ]
    tree, problems = Node({}, ""), []
    for argument in sets:
        key, equals, value = argument.partition("=")
        if equals:
            given.append((f"--set {_short(argument)}", key.strip(), value))
        else:
            problems.append(
                Problem("a setting must be KEY=VALUE", f"--set {_short(argument)}", "--set train.epochs=3")
            )
    for where, key, value in given:
        if not _KEY.fullmatch(key):
            hint = "--set train.epochs=3 (a list is set as a whole: --set 'data.dataset=[a, b]')"
            problems.append(Problem(f'"{_short(key)}" is not a dotted key', where, hint))
            continue
        if key.split(".")[0] in ("extends", "name"):
            problems.append(Problem(f"{key}: can only be set in the file", where))
            continue
        document = parse_value(value, where=where, path=key)
        problems += document.problems
        if document.root is not None:
            tree = merge(tree, _nested(key, document.root, where))
    return tree, problems


def _nested(key: str, node: Node, where: str) -> Node:
    """A value at a dotted key, as a tree."""
    words = key.split(".")
    for depth in range(len(words) - 1, -1, -1):
        node = Node({words[depth]: node}, "", where, ".".join(words[:depth]))
    return node


def _short(text: str) -> str:
    line = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return line if len(line) <= 80 else line[:77] + "…"  # noqa: PLR2004
