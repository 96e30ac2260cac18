"""OptionTable: every option of an engine, each with its risk; only the safe ones are passed on.

What a table does not name is refused, so an option that a new version brings is closed until somebody judges
it (tests/probes/test_engine_options.py compares the tables with the engines' own parsers). An option that
takes a mapping is judged by its leaves, under dotted names: `compilation-config.cudagraph_mode`. `*` stands
for one key that the user chooses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from orchestrator.errors import did_you_mean

LIST = "docs/engine-options.md"


class Risk(StrEnum):
    """What an option can do."""

    SAFE = "safe"
    OWNED = "owned"
    PATH = "path"
    CODE = "code"
    PORT = "port"
    SECRET = "secret"  # noqa: S105  a word


# Why a recipe cannot set an option of a risk, unless the option has a reason of its own.
REASONS: Mapping[Risk, str] = {
    Risk.PATH: "it reads or writes the files that are named there",
    Risk.CODE: "it runs code that is named there, or loads what can run code",
    Risk.PORT: "it opens a port, connects to other machines, or lets requests do more",
    Risk.SECRET: "a secret does not belong in a recipe",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        note: of an owned option, the recipe key to use instead; of another, the reason to refuse it.
        instead: of a secret, how to give it.
        values: the safe values; () for every scalar, and every list of scalars.
        harmless: of an owned option: another value than Conch's makes a run wrong, but opens nothing.
    """

    risk: Risk
    note: str = ""
    instead: str = ""
    values: tuple[str, ...] = ()
    harmless: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An option that is not passed on: its keys in the passage, what is wrong, and what to do."""

    keys: tuple[str, ...]
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A value that is not a mapping, its name in the table's spelling, and the keys under which it stands."""

    name: str
    keys: tuple[str, ...]
    value: object


@dataclass(frozen=True)
class OptionTable:
    """The options of one version of a program.

    Attributes:
        program: its name in messages.
        versions: package → the version whose options these are.
        options: name → option.
        on_command_line: options become words of a command line, whose parser also reads underscores,
            abbreviations, `no-`, `key=value` and `key+`. Else only whole names are read.
    """

    program: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    on_command_line: bool = False

    def names(self, risk: Risk) -> list[str]:
        """The names of a risk, in order."""
        return sorted(name for name, option in self.options.items() if option.risk is risk)

    def refusals(self, passage: Mapping[str, object], *, judged: bool = False) -> Iterator[Refusal]:
        """Every option of a recipe's passage that is not passed on.

        `judged`: they are edits of a rendered file that is about to be judged: harmless ones are let through.
        """
        for leaf in self._leaves(passage):
            found = self._refusal(leaf)
            if found and not (judged and self._is_harmless(leaf)):
                yield Refusal(leaf.keys, *found)

    def rendered(self, passage: Mapping[str, object]) -> dict[str, object]:
        """A passage without refusals, in one spelling: the table's whole names, mappings in each other."""
        settings: dict[str, object] = {}
        for leaf in self._leaves(passage):
            inside, (*above, last) = settings, leaf.name.split(".")
            for key in above:
                deeper = inside.get(key)
                inside[key] = inside = deeper if isinstance(deeper, dict) else {}
            inside[last] = leaf.value
        return settings

    def spelled(self, key: str) -> str:
        """The spelling of the table for any that the program's parser reads.

        >>> OptionTable(on_command_line=True).spelled("--Max_Model-len=3")
        'max-model-len'
        >>> OptionTable(on_command_line=True).spelled("compilation_config.splitting-ops+")
        'compilation-config.splitting_ops'
        """
        if not self.on_command_line:
            return key
        option, *inner = key.lstrip("-").partition("=")[0].removesuffix("+").split(".")
        return ".".join([option.lower().replace("_", "-"), *(part.replace("-", "_") for part in inner)])

    def _leaves(self, passage: Mapping[str, object]) -> Iterator[_Leaf]:
        for key, value in passage.items():
            yield from self._inside(self.spelled(key), (key,), value)

    def _inside(self, name: str, keys: tuple[str, ...], value: object) -> Iterator[_Leaf]:
        opened = _mapping(value) if self._has_leaves(name) else None
        if opened is None:
            yield _Leaf(name, keys, value)
            return
        for key, inner in opened.items():
            part = key.replace("-", "_") if self.on_command_line else key
            yield from self._inside(f"{name}.{part}", (*keys, key), inner)

    def _has_leaves(self, name: str) -> bool:
        """Whether an option takes a mapping whose leaves are judged; a refused one is refused as a whole."""
        option = self._option(name)
        if option is not None and option.risk is not Risk.SAFE:
            return False
        return name in self._above or self._option(f"{name}.*") is not None

    @cached_property
    def _above(self) -> frozenset[str]:
        """The names that have others inside them."""
        parts = [name.split(".") for name in self.options]
        return frozenset(".".join(words[:count]) for words in parts for count in range(1, len(words)))

    def _option(self, name: str) -> Option | None:
        """The option of a name; inside one that is refused as a whole, that one."""
        parts = name.split(".")
        for stars in range(len(parts)):
            found = self.options.get(".".join([*parts[: len(parts) - stars], *["*"] * stars]))
            if found:
                return found
        for count in range(len(parts) - 1, 0, -1):
            found = self.options.get(".".join(parts[:count]))
            if found:
                return None if found.risk is Risk.SAFE else found
        return None

    def _refusal(self, leaf: _Leaf) -> tuple[str, str] | None:
        """What is wrong with a leaf, and what to do; None if it is passed on."""
        option = self._option(leaf.name)
        if option is None:
            return self._unknown(leaf)
        if option.risk is not Risk.SAFE:
            return _refused(option)
        if self.on_command_line and set(leaf.keys[0]) & set("=+"):
            return f"{self.program} reads a value in this name", f"write {leaf.name}: VALUE"
        if option.values and str(leaf.value) not in (*option.values, "None"):
            why = option.note or REASONS[Risk.CODE]
            return f"Conch does not pass this value on: {why}", f"use one of: {', '.join(option.values)}"
        wrong = _misfit(leaf.value, on_command_line=self.on_command_line and "." not in leaf.name)
        return (f"Conch does not pass this value on: {wrong}", "correct the value") if wrong else None

    def _is_harmless(self, leaf: _Leaf) -> bool:
        option = self._option(leaf.name)
        if option is None or not option.harmless:
            return False
        return isinstance(leaf.value, Mapping) or not _misfit(leaf.value, on_command_line=True)

    def _unknown(self, leaf: _Leaf) -> tuple[str, str]:
        if self._has_leaves(leaf.name):
            return f"{self.program} takes a mapping here", f"{LIST} lists what it may hold"
        meant = self._meant(leaf.name)
        if meant in self.options and self.options[meant].risk is not Risk.SAFE:
            return _refused(self.options[meant])
        if meant:
            opposite = leaf.name.removeprefix("no-") == meant
            hint = f"write {meant}: false" if opposite else f"write the whole name: {meant}"
            return f"Conch does not pass this spelling of {meant} on", hint
        version = next(iter(self.versions.values()), "")
        near = did_you_mean(leaf.name, self.options)
        what = f"Conch knows no such option of {self.program} {version}{near}"
        return what, f"{LIST} lists what may be set"

    def _meant(self, name: str) -> str:
        """The option that a command line takes a name for: its opposite, or the one that it abbreviates."""
        option, dot, inner = name.partition(".")
        known = {other.partition(".")[0] for other in (*self.options, *self._above)}
        if not self.on_command_line or not option or option in known:
            return ""
        for word in (option.removeprefix("no-"), option):
            found = [other for other in known if other.startswith(word)] if word not in known else [word]
            if len(found) == 1:
                full = f"{found[0]}{dot}{inner}"
                return full if self._option(full) else found[0]
        return ""


def _refused(option: Option) -> tuple[str, str]:
    if option.risk is Risk.OWNED:
        return "Conch sets this itself", f"use {option.note} instead"
    why = option.note or REASONS[option.risk]
    return f"Conch does not pass this on: {why}", option.instead or "delete it"


def _mapping(value: object) -> Mapping[str, object] | None:
    """A mapping, or the one that a text holds as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return {str(key): inner for key, inner in value.items()} if isinstance(value, Mapping) else None


def _misfit(value: object, *, on_command_line: bool) -> str:
    """Why a value is not the plain one that a safe option takes; "" if it is."""
    if isinstance(value, list):
        return next(filter(None, (_misfit(one, on_command_line=on_command_line) for one in value)), "")
    if not isinstance(value, str):
        plain = value is None or isinstance(value, int | float)
        return "" if plain else "it takes a word, a number, true, false, or a list of them"
    if on_command_line and value.startswith("-"):
        return "a text that starts with a dash would be read as another option"
    if value.lstrip().startswith(("{", "[")):
        return "a text that is JSON would be read as a mapping or a list"
    return "" if value.isprintable() else "it has characters that are not printed"


def names(text: str, *, inside: str = "") -> list[str]:
    """The names in a text, all inside the same option if one is given.

    >>> names("mode backend", inside="compilation-config")
    ['compilation-config.mode', 'compilation-config.backend']
    """
    prefix = f"{inside}." if inside else ""
    return [prefix + name for name in text.split()]


def safe(*groups: Iterable[str]) -> dict[str, Option]:
    """Safe options."""
    return {name: Option(Risk.SAFE) for group in groups for name in group}


def only(values: Mapping[str, str], why: str = "") -> dict[str, Option]:
    """Options of which some values are safe: name → these values."""
    return {name: Option(Risk.SAFE, why, values=tuple(text.split())) for name, text in values.items()}


def owned(homes: Mapping[str, str], *, harmless: bool = False) -> dict[str, Option]:
    """Options that Conch sets: name → the recipe key to use instead."""
    return {name: Option(Risk.OWNED, home, harmless=harmless) for name, home in homes.items()}


def together(*groups: Mapping[str, Option]) -> dict[str, Option]:
    """All options of a table; ValueError if one is written twice."""
    found: dict[str, Option] = {}
    for group in groups:
        if twice := found.keys() & group.keys():
            raise ValueError(f"written twice: {', '.join(sorted(twice))}")
        found.update(group)
    return found


def refused(risk: Risk, group: Iterable[str], why: str = "", instead: str = "") -> dict[str, Option]:
    """Options of one risk, all for the same reason."""
    return {name: Option(risk, why, instead) for name in group}
