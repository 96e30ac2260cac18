"""sharegpt rows: the roles' other names, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import sharegpt


def read(*turns: Any, **row: Any) -> list[dict[str, str]]:
    return sharegpt.read({"conversations": list(turns), **row}, sharegpt.columns)


def turn(role: Any, text: Any) -> dict[str, Any]:
    return {"from": role, "value": text}


@pytest.mark.parametrize(
    ("written", "role"),
    [
        ("human", "user"),
        ("Human", "user"),
        ("user", "user"),
        ("gpt", "assistant"),
        ("GPT", "assistant"),
        ("chatgpt", "assistant"),
        ("system", "system"),
        ("tool", "observation"),
    ],
)
def test_roles_have_other_names(written: str, role: str) -> None:
    assert read(turn(written, "海")) == [{"role": role, "content": "海"}]


def test_the_row_s_system_prompt_comes_first() -> None:
    assert read(turn("human", "a"), system="s")[0] == {"role": "system", "content": "s"}


def test_a_thought_beside_the_answer_is_read() -> None:
    """Case 56: LLaMA-Factory ignores what stands beside a turn's text."""
    told = read({**turn("gpt", "九点。"), "reasoning_content": "想"})
    assert told[0]["content"] == "<think>\n想\n</think>\n\n九点。"


def test_columns_of_other_names_are_read() -> None:
    columns = {**sharegpt.columns, "messages": "dialog", "role": "who", "content": "said"}
    row = {"dialog": [{"who": "user", "said": "海"}]}
    assert sharegpt.read(row, columns) == [{"role": "user", "content": "海"}]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"conversations": None}, "shape"),
        ({"conversations": "[]"}, "list as text"),
        ({"conversations": "海"}, "shape"),
        ({"data": []}, "shape"),
        ({"conversations": ["你好"]}, "shape"),
        ({"conversations": [turn("narrator", "a")]}, "unknown role"),
        ({"conversations": [turn(1, "a")]}, "not text"),
        ({"conversations": [turn("human", None)]}, "null"),
        ({"conversations": [{"value": "a"}]}, "missing key"),
        ({"conversations": [], "tools": "[{]"}, "tools"),
    ],
)
def test_what_would_be_lost_is_refused(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        sharegpt.read(row, sharegpt.columns)
    assert caught.value.kind == kind


def test_sniffs_its_own_shape_only() -> None:
    assert sharegpt.sniff({"conversations": [turn("human", "a")]})
    assert not sharegpt.sniff({"conversations": []})
    assert not sharegpt.sniff({"conversations": [{"role": "user"}]})
    assert sharegpt.sniff({"messages": [turn("human", "a")]})
    assert not sharegpt.sniff({"messages": [{"role": "user"}]})
