"""Field types of a recipe. Each checks a value, describes in words what is valid, and has a JSON Schema.

A field type is metadata of an annotation: `Annotated[float, Number(above=0, most=1)]`. It raises
PydanticCustomError with what the value must be; explain.py adds the position and the actual value. As plain
validators they give one message per value instead of one per constraint, and models that build fast.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from pydantic_core import PydanticCustomError, core_schema

from orchestrator.errors import nearest
from orchestrator.recipe.scalars import resolve

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
NAME_WORDS = "a name of small letters, digits, dot, dash and underscore (at most 64)"


class FieldType:
    """The base of the field types: pydantic's two hooks, over `check` and `json`."""

    def check(self, value: object) -> object:
        """The value, converted; PydanticCustomError with what it must be."""
        raise NotImplementedError

    def json(self) -> dict[str, object]:
        """Its JSON Schema."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: object, handler: object) -> dict[str, object]:
        return self.json()


def wrong(words: str, *, near: str = "") -> PydanticCustomError:
    """The error of a value that is not what `words` describe; `near` is the likely intention."""
    return PydanticCustomError("wrong", "must be {words}", {"words": words, "near": near})


def unquoted() -> PydanticCustomError:
    """The error of text that YAML reads as a number, a boolean or null."""
    return PydanticCustomError("unquoted", "must be text")


@dataclass(frozen=True, slots=True)
class Number(FieldType):
    """A finite number within a range; text such as "1e-4" is read as one."""

    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None

    noun: ClassVar[str] = "a number"
    kind: ClassVar[str] = "number"

    def check(self, value: object) -> object:
        number = self.convert(value)
        if number is None or not self.holds(number):
            raise wrong(self.words)
        return number

    def convert(self, value: object) -> float | int | None:
        """The value as a number of this type; None when it is not one."""
        if isinstance(value, str):
            value = resolve(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def holds(self, number: float) -> bool:
        """Whether the number is in range."""
        return (
            (self.above is None or number > self.above)
            and (self.least is None or number >= self.least)
            and (self.below is None or number < self.below)
            and (self.most is None or number <= self.most)
        )

    @property
    def words(self) -> str:
        """The type and its range in words."""
        if self.least is not None and self.most is not None:
            return f"{self.noun} from {self.least} to {self.most}"
        bounds = (
            f"above {self.above}" if self.above is not None else "",
            f"at least {self.least}" if self.least is not None else "",
            f"below {self.below}" if self.below is not None else "",
            f"at most {self.most}" if self.most is not None else "",
        )
        return f"{self.noun} " + " and ".join(bound for bound in bounds if bound)

    def json(self) -> dict[str, object]:
        ranges = {
            "exclusiveMinimum": self.above,
            "minimum": self.least,
            "exclusiveMaximum": self.below,
            "maximum": self.most,
        }
        return {"type": self.kind} | {key: value for key, value in ranges.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Whole(Number):
    """A whole number within a range; 1e3 counts as one."""

    noun: ClassVar[str] = "a whole number"
    kind: ClassVar[str] = "integer"

    def convert(self, value: object) -> int | None:
        """The value as an int; None when it has a fraction or is not a number."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        # Not super(): slots=True makes a new class, and zero-argument super() still refers to the old one.
        number = Number.convert(self, value)
        return int(number) if number is not None and float(number).is_integer() else None


@dataclass(frozen=True, slots=True)
class Switch(FieldType):
    """True or false; YAML turns on, off, yes and no into booleans first."""

    def check(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise wrong("true or false")
        return value

    def json(self) -> dict[str, object]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class TextField(FieldType):
    """Non-empty text. A pattern, described by `words`, must match all of it; `known` are suggestions."""

    words: str = "text"
    pattern: str = ""
    limit: int = 65536
    known: tuple[str, ...] = ()

    def check(self, value: object) -> str:
        if isinstance(value, (bool, int, float)) or value is None:
            raise unquoted()
        if not isinstance(value, str) or not value.strip():
            raise wrong(self.words if self.pattern else f"{self.words}, not empty")
        if len(value) > self.limit:
            raise wrong(f"{self.words}, at most {self.limit} characters")
        # Without its $, which would accept a trailing newline.
        if self.pattern and not re.fullmatch(self.pattern.removesuffix("$"), value):
            raise wrong(self.words, near=nearest(value, self.known))
        return value

    def json(self) -> dict[str, object]:
        return {"type": "string", "minLength": 1} | ({"pattern": self.pattern} if self.pattern else {})


@dataclass(frozen=True, slots=True)
class Choice(FieldType):
    """One of a few words. Where `on` and `off` are among them, YAML's booleans stand for them."""

    choices: Collection[str]

    def check(self, value: object) -> str:
        if isinstance(value, bool) and "on" in self.choices:
            value = "on" if value else "off"
        if isinstance(value, str) and value in self.choices:
            return value
        near = nearest(value, self.choices) if isinstance(value, str) else ""
        *others, last = self.choices
        raise wrong(f"{', '.join(others)} or {last}", near=near)

    def json(self) -> dict[str, object]:
        return {"enum": [*self.choices, True, False] if "on" in self.choices else list(self.choices)}


@dataclass(frozen=True, slots=True)
class ListField(FieldType):
    """One text or a list of texts; the value is a tuple, in the order written."""

    item: TextField
    least: int = 1
    unique: bool = False

    def check(self, value: object) -> tuple[str, ...]:
        many = list(value) if isinstance(value, (list, tuple)) else [value]
        if len(many) < self.least:
            raise wrong(f"{self.item.words}, or a list of at least {self.least}")
        if isinstance(value, dict):
            raise wrong(f"{self.item.words}, or a list of such")
        texts = tuple(self._item(index, one) for index, one in enumerate(many))
        if self.unique and len(set(texts)) < len(texts):
            raise wrong("a list without repetitions")
        return texts

    def _item(self, index: int, value: object) -> str:
        try:
            return self.item.check(value)
        except PydanticCustomError as error:
            context = {**(error.context or {}), "index": index}
            raise PydanticCustomError(error.type, error.message_template, context) from None

    def json(self) -> dict[str, object]:
        items = {"type": "array", "items": self.item.json(), "minItems": self.least}
        return {"anyOf": [self.item.json(), items | ({"uniqueItems": True} if self.unique else {})]}


@dataclass(frozen=True, slots=True)
class Joined(FieldType):
    """Text, or a list that becomes one comma-separated text."""

    item: TextField

    def check(self, value: object) -> str:
        return ",".join(ListField(self.item).check(value))

    def json(self) -> dict[str, object]:
        return ListField(self.item).json()


@dataclass(frozen=True, slots=True)
class LossWeights(FieldType):
    """A mapping of known words to numbers above 0; the first word is required."""

    words: tuple[str, ...]

    def check(self, value: object) -> dict[str, float]:
        expected = f"a mapping such as {{{self.words[0]}: 7, {self.words[1]}: 3}}"
        if not isinstance(value, dict) or not value:
            raise wrong(expected)
        weight = Number(above=0, most=1e9)
        for key, given in value.items():
            if key not in self.words:
                raise wrong(f"{expected}; there is no part {key}", near=nearest(str(key), self.words))
            number = weight.convert(given)
            if number is None or not weight.holds(number):
                raise wrong(f"{expected}; {key} needs {weight.words}")
        if self.words[0] not in value:
            raise wrong(f"{expected}; {self.words[0]} is required")
        return {key: float(weight.convert(given) or 0) for key, given in value.items()}

    def json(self) -> dict[str, object]:
        return {
            "type": "object",
            "properties": {word: Number(above=0, most=1e9).json() for word in self.words},
            "required": [self.words[0]],
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class Mapped(FieldType):
    """A mapping with any values, passed on or checked later."""

    words: str = "a mapping"

    def check(self, value: object) -> dict[str, object]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise wrong(self.words)
        return value

    def json(self) -> dict[str, object]:
        return {"type": "object"}
