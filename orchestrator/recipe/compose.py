"""A chain of recipe files, CONCH_SET_* variables and --set arguments → one checked Recipe. Pure.

Later wins: defaults < defaults of the hardware profile < extends < file < hardware.PROFILE < CONCH_SET_A__B
< --set. Mappings merge; everything else, lists too, replaces. A layer with another model.base drops the
inherited revision and hub, which belong to the old one. A base recipe:NAME wins over the base of a hardware
profile: what is built on another recipe is built on it everywhere. All mistakes are reported at once, those
of the other hardware profile too: a mistake under hardware.cuda should not wait until someone has a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import PurePath

from pydantic import ValidationError

from orchestrator.errors import Problem, UsageError
from orchestrator.hubs.recipe import recipe_of
from orchestrator.outside import Outside
from orchestrator.recipe.document import RecipeSource, parse, parse_value
from orchestrator.recipe.explain import explain, node_at
from orchestrator.recipe.fields import NAME_PATTERN, NAME_WORDS
from orchestrator.recipe.hardware import PROFILES, defaults_of
from orchestrator.recipe.sections import PASSAGES, SECTIONS, Recipe
from orchestrator.recipe.tree import Node

_OUTERMOST = ("extends", "hardware", "name")  # keys that an overlay cannot have
PREFIX = "CONCH_SET_"
_POSITION = re.compile(r"^(.*):(\d+):(\d+)$")
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,9}")
_MODELS = ("model", "hardware.cpu.model", "hardware.cuda.model")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A checked recipe and the origin of each of its values.

    Attributes:
        profile: cpu or cuda; the recipe includes its overlay.
        origins: dotted key of every value → "recipes/x.yaml:14:3", "--set …", "CONCH_SET_…" or "default".
        files: the chain, the recipe itself first.
    """

    recipe: Recipe
    profile: str
    origins: Mapping[str, str]
    files: tuple[str, ...]
    tree: Node

    def where(self, path: str | Sequence[str], *, key: bool = False) -> str:
        """The position of a value (with key=True, of its key), e.g. of `verify.checks[2].expect.contains`.

        A sequence is a path whose keys may have dots. For a value that is not written, the position of the
        nearest enclosing section, else the file.
        """
        node, exact = node_at(self.tree, steps(path) if isinstance(path, str) else path)
        return (node.key_where if key and exact else node.where) or self.files[0]


def compose(
    chain: Sequence[RecipeSource],
    *,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    profile: str = "auto",
    machine: str = "cpu",
) -> Resolved:
    """Compose and check a recipe: the chain is the recipe first, then what it extends, the root last.

    The profile auto takes the recipe's hardware.profile, and if that is auto too, `machine`. A UsageError has
    every mistake, in the order of the files.
    """
    file = chain[0].path
    documents = [parse(source) for source in chain]
    edits, problems = settings(environ or {}, sets)
    problems = [
        *_misnamed(file),
        *(found for document in documents for found in document.problems),
        *problems,
    ]
    if any(document.root is None for document in documents):
        raise UsageError(*_sorted(problems, chain))

    roots = [document.root for document in documents if document.root is not None]
    problems += [found for root in roots for found in _reserved(root)]
    written = merge(reduce(merge, [_without(root, "extends") for root in reversed(roots)]), edits)
    chosen = _profile(profile, machine, written)
    final = merge(merge(written, overlay(written, chosen)), edits)
    if (base := node_at(written, ("model", "base"))[0]) and recipe_of(str(base.value)):
        final = merge(final, _nested("model.base", base, base.where))

    recipe, found = _check(merge(defaults_of(chosen), final), file)
    problems += [*_outermost(written), *found]
    others = (profile for profile in PROFILES if profile != chosen)
    for view in (written, *(merge(written, overlay(written, profile)) for profile in others)):
        # Only the chosen profile may provide what is absent there.
        problems += [found for found in _check(view, file)[1] if not found.what.endswith(": missing")]
    if problems or recipe is None:
        raise UsageError(*_sorted(problems, chain))
    files = tuple(source.path for source in chain)
    return Resolved(recipe, chosen, origins(recipe, final), files, final)


def merge(lower: Node, upper: Node) -> Node:
    """`upper` over `lower`: mappings merge, anything else replaces; an empty section changes nothing."""
    if not isinstance(lower.value, dict):
        return upper
    if not isinstance(upper.value, dict):
        return lower if upper.value is None else upper
    merged = dict(lower.value)
    base, new_base = merged.get("base"), upper.value.get("base")
    if lower.path in _MODELS and base and new_base and base.value != new_base.value:
        merged = {key: node for key, node in merged.items() if key not in ("revision", "hub")}
    for key, node in upper.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    # A mapping's position is that of the last file with it; settings from outside have none.
    origin = upper if upper.where else lower
    return Node(merged, origin.where, origin.key_where or upper.key_where, origin.path or upper.path)


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
            given.append((f"--set {Outside(argument, limit=80)}", key.strip(), value))
        else:
            problems.append(
                Problem(
                    "a setting must be KEY=VALUE",
                    f"--set {Outside(argument, limit=80)}",
                    "--set train.epochs=3",
                )
            )
    for where, key, value in given:
        if not _KEY.fullmatch(key):
            hint = "--set train.epochs=3 (a list is set as a whole: --set 'data.dataset=[a, b]')"
            problems.append(Problem(f'"{Outside(key, limit=80)}" is not a dotted key', where, hint))
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


def extends_of(source: RecipeSource) -> tuple[str, str] | None:
    """(the recipe that a file extends, the position of that line); None when there is none."""
    root = parse(source).root
    node = root.value.get("extends") if root else None
    return (node.value, node.where) if node is not None and isinstance(node.value, str) else None


def overlay(tree: Node, profile: str) -> Node:
    """The partial recipe under hardware.PROFILE; may be empty."""
    node, exact = node_at(tree, ("hardware", profile))
    return _without(node, *_OUTERMOST) if exact and isinstance(node.value, dict) else Node({}, "")


def origins(recipe: Recipe, tree: Node) -> dict[str, str]:
    """Dotted key of every value of a recipe → its origin."""
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
    """A dotted path, split.

    >>> steps("verify.checks[2].expect")
    ['verify', 'checks', 2, 'expect']
    """
    words = re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)
    return [int(index) if index else word for index, word in words]


def _without(tree: Node, *keys: str) -> Node:
    value = {name: node for name, node in tree.value.items() if name not in keys}
    return Node(value, tree.where, tree.key_where, tree.path)


def _check(tree: Node, file: str) -> tuple[Recipe | None, list[Problem]]:
    """The recipe of a tree, or its problems."""
    plain = {key: value for key, value in tree.plain.items() if value is not None or key not in SECTIONS}
    plain["name"] = PurePath(file).stem if not _misnamed(file) else "unnamed"
    try:
        return Recipe.model_validate(plain), []
    except ValidationError as error:
        return None, explain(error, tree, file)


def _profile(option: str, machine: str, tree: Node) -> str:
    node, exact = node_at(tree, ("hardware", "profile"))
    written = node.value if exact and node.value in PROFILES else machine
    return option if option in PROFILES else str(written)


def _misnamed(file: str) -> list[Problem]:
    stem = PurePath(file).stem
    if re.fullmatch(NAME_PATTERN.removesuffix("$"), stem):
        return []
    return [Problem(f'"{stem}" cannot name a recipe: it must be {NAME_WORDS}', file, "rename the file")]


def _reserved(root: Node) -> list[Problem]:
    """Problems with keys that only a file can have."""
    problems = []
    if "name" in root.value:
        where = root.value["name"].key_where
        problems.append(Problem("name: the file name is the name of a recipe", where, "delete it"))
    extends = root.value.get("extends")
    if extends is not None and not isinstance(extends.value, str):
        what = "extends: must be the name of one recipe"
        problems.append(Problem(what, extends.where, "extends: magic_conch"))
    return problems


def _outermost(tree: Node) -> list[Problem]:
    """Problems with keys in an overlay that only the top level of a recipe can have."""
    overlays = [node_at(tree, ("hardware", profile, key)) for profile in PROFILES for key in _OUTERMOST]
    return [
        Problem(f"{node.path}: not allowed under a hardware profile", node.key_where, "delete it")
        for node, exact in overlays
        if exact
    ]


def _sorted(problems: Iterable[Problem], chain: Sequence[RecipeSource]) -> list[Problem]:
    """Each once, by chain, line and column; problems outside the files last."""
    order = {source.path: index for index, source in enumerate(chain)}

    def position(problem: Problem) -> tuple[int, int, int]:
        match = _POSITION.match(problem.where)
        if match and match[1] in order:
            return order[match[1]], int(match[2]), int(match[3])
        return order.get(problem.where, len(order)), 0, 0

    return sorted(dict.fromkeys(problems), key=position)
