"""Labelled answers: any shape of conversation, and JSON's true or false."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import KtoExample, RowProblem
from orchestrator.datasets.formats import kto
from orchestrator.datasets.repairs import fix_value

WHOLE = [{"role": "user", "content": "几点"}, {"role": "assistant", "content": "九点。"}]


def read(row: dict[str, Any]) -> KtoExample:
    assert kto.sniff(row)
    return kto.read(row, {**kto.columns, **kto.resolve(row)})


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "几点", "input": "", "output": "九点。", "kto_tag": False},
        {"messages": WHOLE, "label": False},
        {
            "conversations": [{"from": "human", "value": "几点"}, {"from": "gpt", "value": "九点。"}],
            "kto_tag": False,
        },
        {"prompt": "几点", "completion": "九点。", "label": False},
        {"问题": "几点", "答案": "九点。", "label": False},
        {"prompt": WHOLE[:1], "completion": WHOLE[1:], "label": False},
    ],
)
def test_any_shape_can_be_labelled(row: dict[str, Any]) -> None:
    assert read(row) == KtoExample(WHOLE, good=False)


@pytest.mark.parametrize(("label", "good"), [(1, True), ("false", False), ("True", True), (0, False)])
def test_a_label_that_llama_factory_would_drop_is_refused_and_repaired(label: Any, good: bool) -> None:  # noqa: FBT001
    """Case 70: "true" and 1 lose every row."""
    row = {"messages": WHOLE, "label": label}
    with pytest.raises(RowProblem) as caught:
        read(row)
    assert caught.value.kind == "label"
    assert fix_value(caught.value)
    assert read(row).good is good


@pytest.mark.parametrize(
    ("label", "kind"), [({"kto_tag": None}, "label"), ({"kto_tag": "也许"}, "label"), ({}, "missing key")]
)
def test_what_says_neither_stays_refused(label: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        kto.read({"instruction": "几点", "output": "九点。", **label}, kto.columns)
    assert caught.value.kind == kind
    assert not fix_value(caught.value)


def test_a_label_of_something_else_is_none() -> None:
    asked = {"instruction": "几点", "output": "九点。"}
    for label in ("皮肤科", 3, 0.5, None, ["true"]):
        assert not kto.sniff({**asked, "label": label})
    assert not kto.sniff({"text": "文", "label": True})
    assert not kto.sniff({**asked, "chosen": "a", "kto_tag": True})
