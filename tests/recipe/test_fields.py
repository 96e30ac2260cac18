"""The kinds of value: what they take, the words they refuse with, and the schema they give."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from orchestrator.errors import nearest
from orchestrator.recipe.fields import (
    Choice,
    FieldType,
    Joined,
    ListField,
    LossWeights,
    Mapped,
    Number,
    Switch,
    TextField,
    Whole,
)


def words(kind: FieldType, value: Any) -> str:
    with pytest.raises(PydanticCustomError) as caught:
        kind.check(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Number(least=0, most=1), "must be a number from 0 to 1"),
        (Number(above=0, most=1), "must be a number above 0 and at most 1"),
        (Number(least=0, below=1), "must be a number at least 0 and below 1"),
        (Whole(least=1), "must be a whole number at least 1"),
    ],
)
@pytest.mark.parametrize("value", [-1, True, None, "x", "", [], float("nan"), float("-inf")])
def test_a_range_says_itself(kind: Number, said: str, value: Any) -> None:
    assert words(kind, value) == said


def test_the_ends_of_a_range() -> None:
    assert Number(least=0, most=1).check(0) == 0
    assert Number(least=0, most=1).check("1") == 1
    assert words(Number(above=0), 0)
    assert words(Number(below=1), 1.0)
    assert words(Number(most=1), 10**400)


def test_a_whole_number_may_be_written_with_an_exponent() -> None:
    found = Whole(least=1).check(1e3)
    assert (found, type(found)) == (1000, int)
    assert words(Whole(least=1), 1.5)


def test_a_choice_guesses_what_was_meant() -> None:
    with pytest.raises(PydanticCustomError) as caught:
        Choice(("cosine", "linear")).check("cosin")
    assert caught.value.context == {"words": "cosine or linear", "near": "cosine"}
    assert words(Choice(("lora", "full")), True) == "must be lora or full"


def test_text_matches_as_a_whole() -> None:
    name = TextField("a name", r"^[a-z]+$", 5)
    assert name.check("abc") == "abc"
    for value in ("abc\n", "ABC", "abcdef", "", " "):
        assert words(name, value).startswith("must be a name")
    for other in (True, 3, 1.5, None):
        assert words(name, other) == "must be text"


def test_several_say_which_item_is_wrong() -> None:
    several = ListField(TextField("a word", "^[a-z]+$"))
    with pytest.raises(PydanticCustomError) as caught:
        several.check(["a", "B"])
    assert caught.value.context == {"words": "a word", "near": "", "index": 1}
    assert Joined(TextField()).check(["a", "b"]) == "a,b"


def test_a_mapping_may_be_empty_but_is_one() -> None:
    assert Mapped().check(None) == {}
    assert words(Mapped("a mapping of shells"), []) == "must be a mapping of shells"


def test_weights_name_their_parts() -> None:
    parts = LossWeights(("train", "test"))
    assert parts.check({"train": "7", "test": 3}) == {"train": 7.0, "test": 3.0}
    nothing: tuple[Any, ...] = ({}, [], None, 3, "train")
    for value in nothing:
        assert words(parts, value) == "must be a mapping such as {train: 7, test: 3}"
    assert words(parts, {"test": 1}).endswith("; train is required")
    for weight in (0, -1, True, "x", float("nan")):
        assert "test needs a number above 0" in words(parts, {"train": 1, "test": weight})
    with pytest.raises(PydanticCustomError) as caught:
        parts.check({"train": 1, "tset": 1})
    assert (caught.value.context or {})["near"] == "test"


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Number(above=0, most=1), {"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
        (Whole(least=1, below=9), {"type": "integer", "minimum": 1, "exclusiveMaximum": 9}),
        (Switch(), {"type": "boolean"}),
        (Choice(("a", "b")), {"enum": ["a", "b"]}),
        (Choice(("on", "off")), {"enum": ["on", "off", True, False]}),
        (TextField("x", "^x$"), {"type": "string", "minLength": 1, "pattern": "^x$"}),
        (Mapped(), {"type": "object"}),
        (
            LossWeights(("train", "test")),
            {
                "type": "object",
                "properties": {
                    word: {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9}
                    for word in ("train", "test")
                },
                "required": ["train"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_its_schema(kind: FieldType, schema: dict[str, Any]) -> None:
    assert kind.json() == schema


def test_close_to() -> None:
    assert nearest("learing_rate", ["epochs", "learning_rate"]) == "learning_rate"
    assert nearest("xyz", ["epochs"]) == ""
