"""A chain of recipe files, settings of the environment and of the command line → one checked Recipe. Pure.

Later wins: defaults < extends < file < hardware.PROFILE < CONCH_SET_A__B < --set. Mappings merge, everything
else replaces, lists too. A layer that names another model.base drops the revision and hub it inherited,
which belong to the old one. All mistakes are reported at once, those of the other hardware profile too: a
mistake under hardware.cuda should not wait for the day somebody has a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import PurePath

from pydantic import ValidationError

from orchestrator.errors import Problem, UsageError
from orchestrator.recipe.document import Node, Source, parse, parse_value
from orchestrator.recipe.explain import explain, node_at
from orchestrator.recipe.fields import NAME_PATTERN, NAME_WORDS
from orchestrator.recipe.sections import PASSAGES, SECTIONS, Recipe

PREFIX = "CONCH_SET_"
PROFILES = ("cpu", "cuda")
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_MODELS = ("model", "hardware.cpu.model", "hardware.cuda.model")
_PLACE = re.compile(r"^(.*):(\d+):(\d+)$")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A checked recipe and where each of its values comes from.

    Attributes:
        recipe: with the overlay of `profile` laid on top.
        profile: cpu or cuda: the overlay that was used.
        origins: dotted key of every value → "recipes/x.yaml:14:3", "--set …", "CONCH_SET_…" or "default".
        files: the chain, the recipe itself first.
    """

    recipe: Recipe
    profile: str
    origins: Mapping[str, str]
    files: tuple[str, ...]
    tree: Node

    def where(self, path: str, *, key: bool = False) -> str:
        """Where a value (or, with key=True, its key) is written: `verify.checks[2].expect.contains`.

        For a value that nobody wrote, the place of the nearest section that is; at last the file.
        """
        node, exact = node_at(self.tree, steps(path))
        return (node.key_where if key and exact else node.where) or self.files[0]


def compose(
    chain: Sequence[Source],
    *,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    profile: str = "auto",
    machine: str = "cpu",
) -> Resolved:
    """Compose and check a recipe.

    Args:
        chain: the recipe first, then what it extends, the root last.
        sets: `--set` arguments, KEY=VALUE; the value is YAML.
        environ: only names that start with CONCH_SET_ are read.
        profile: cpu or cuda; auto takes the recipe's hardware.profile, and when that is auto too, `machine`.
        machine: what the machine is.

    Raises:
        UsageError: with every mistake, in the order of the files.
    """
    file = chain[0].path
    documents = [parse(source) for source in chain]
    edits, problems = _edits(environ or {}, sets)
    problems = [
        *_misnamed(file),
        *(found for document in documents for found in document.problems),
        *problems,
    ]
    if any(document.root is None for document in documents):
        raise UsageError(*_sorted(problems, chain))

    roots = [document.root for document in documents if document.root is not None]
    problems += [found for root in roots for found in _reserved(root)]
    written = _merge(reduce(_merge, [_without(root, "extends") for root in reversed(roots)]), edits)
    chosen = _profile(profile, machine, written)
    final = _merge(_merge(written, overlay(written, chosen)), edits)

    recipe, found = _check(final, file)
    problems += found
    other = PROFILES[1 - PROFILES.index(chosen)]
    for view in (written, _merge(written, overlay(written, other))):
        # What is absent there may be for the chosen profile only to give.
        problems += [found for found in _check(view, file)[1] if not found.what.endswith("is not given")]
    if problems or recipe is None:
        raise UsageError(*_sorted(problems, chain))
    files = tuple(source.path for source in chain)
    return Resolved(recipe, chosen, origins(recipe, final), files, final)


def extends_of(source: Source) -> tuple[str, str] | None:
    """(the recipe that a file extends, where it says so); None when it extends none or cannot be read."""
    root = parse(source).root
    node = root.value.get("extends") if root else None
    return (node.value, node.where) if node is not None and isinstance(node.value, str) else None


def overlay(tree: Node, profile: str) -> Node:
    """The partial recipe under hardware.PROFILE, empty when there is none."""
    node, exact = node_at(tree, ("hardware", profile))
    return _without(node, "hardware") if exact and isinstance(node.value, dict) else Node({}, "")


def origins(recipe: Recipe, tree: Node) -> dict[str, str]:
    """Dotted key of every value of a recipe → where it comes from."""
    found: dict[str, str] = {}
    for section, kind in SECTIONS.items():
        for key in kind.model_fields:
            node, exact = node_at(tree, (section, key))
            found[f"{section}.{key}"] = node.where if exact else "default"
    for passage in PASSAGES:
        for key in getattr(recipe, passage):
            found[f"{passage}.{key}"] = node_at(tree, (passage, key))[0].where
    return found


def steps(path: str) -> list[int | str]:
    """A dotted path, taken apart.

    >>> steps("verify.checks[2].expect")
    ['verify', 'checks', 2, 'expect']
    """
    words = re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)
    return [int(index) if index else word for index, word in words]


def _merge(lower: Node, upper: Node) -> Node:
    """`upper` on top of `lower`: mappings merge, else it replaces; an empty section changes nothing."""
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
        merged[key] = _merge(merged[key], node) if key in merged else node
    # A mapping stands where the last file wrote it; a setting from outside only reaches into it.
    place = upper if upper.where else lower
    return Node(merged, place.where, place.key_where or upper.key_where, place.path or upper.path)


def _differ(key: str, below: Mapping[str, Node], above: Mapping[str, Node]) -> bool:
    return key in below and below[key].value != above[key].value


def _without(tree: Node, key: str) -> Node:
    value = {name: node for name, node in tree.value.items() if name != key}
    return Node(value, tree.where, tree.key_where, tree.path)


def _check(tree: Node, file: str) -> tuple[Recipe | None, list[Problem]]:
    """The recipe of a tree, or what is wrong with it."""
    plain = {key: value for key, value in tree.plain.items() if value is not None or key not in SECTIONS}
    plain["name"] = PurePath(file).stem if not _misnamed(file) else "unnamed"
    try:
        return Recipe.model_validate(plain), []
    except ValidationError as error:
        return None, explain(error, tree, file)


def _profile(asked: str, machine: str, tree: Node) -> str:
    node, exact = node_at(tree, ("hardware", "profile"))
    written = node.value if exact and node.value in PROFILES else machine
    return asked if asked in PROFILES else str(written)


def _misnamed(file: str) -> list[Problem]:
    stem = PurePath(file).stem
    if re.fullmatch(NAME_PATTERN.removesuffix("$"), stem):
        return []
    return [Problem(f'"{stem}" cannot name a recipe: it must be {NAME_WORDS}', file, "rename the file")]


def _reserved(root: Node) -> list[Problem]:
    """Keys that are refused in a file, or in an overlay, though a recipe knows them elsewhere."""
    problems = []
    if "name" in root.value:
        problems.append(
            Problem("name: a recipe is named by its file", root.value["name"].key_where, "delete it")
        )
    extends = root.value.get("extends")
    if extends is not None and not isinstance(extends.value, str):
        problems.append(
            Problem("extends: must be the name of one recipe", extends.where, "extends: magic_conch")
        )
    for profile in PROFILES:
        node, exact = node_at(root, ("hardware", profile))
        for key in ("extends", "hardware", "name"):
            if exact and isinstance(node.value, dict) and key in node.value:
                inner = node.value[key]
                problems.append(Problem(f"{inner.path}: does not belong here", inner.key_where, "delete it"))
    return problems


def _edits(environ: Mapping[str, str], sets: Iterable[str]) -> tuple[Node, list[Problem]]:
    """The settings from outside the files as one tree, the environment's below the command line's."""
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
                Problem("a setting is KEY=VALUE", f"--set {_short(argument)}", "--set train.epochs=3")
            )
    for where, key, value in given:
        if not _KEY.fullmatch(key):
            mend = "--set train.epochs=3 (a list is set as a whole: --set 'data.dataset=[a, b]')"
            problems.append(Problem(f'"{_short(key)}" is not a dotted key', where, mend))
            continue
        if key.split(".")[0] in ("extends", "name"):
            problems.append(Problem(f"{key}: can only be written in the file", where))
            continue
        document = parse_value(value, where=where, path=key)
        problems += document.problems
        if document.root is not None:
            tree = _merge(tree, _nested(key, document.root, where))
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


def _sorted(problems: Iterable[Problem], chain: Sequence[Source]) -> list[Problem]:
    """Each once, in the order of the chain, line and column; what is outside the files comes last."""
    order = {source.path: index for index, source in enumerate(chain)}

    def place(problem: Problem) -> tuple[int, int, int]:
        match = _PLACE.match(problem.where)
        if match and match[1] in order:
            return order[match[1]], int(match[2]), int(match[3])
        return order.get(problem.where, len(order)), 0, 0

    return sorted(dict.fromkeys(problems), key=place)
