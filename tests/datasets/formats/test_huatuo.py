"""huatuo rows: every turn, by who speaks; the marks go, the text stays."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.faults import faults
from orchestrator.datasets.formats import huatuo


def read(*texts: Any) -> list[dict[str, str]]:
    return huatuo.read({"data": list(texts)}, huatuo.columns)


def test_every_turn_is_read_and_only_the_mark_is_taken_away() -> None:
    told = read("问：头疼怎么办？\n", "答：多久了？", " 问:三天，问：要紧吗？", "答:不要紧。\n多休息。")
    assert told == [
        {"role": "user", "content": "头疼怎么办？\n"},
        {"role": "assistant", "content": "多久了？"},
        {"role": "user", "content": "三天，问：要紧吗？"},
        {"role": "assistant", "content": "不要紧。\n多休息。"},
    ]


def test_a_question_without_an_answer_at_the_end_is_told() -> None:
    (problem,) = faults(read("问：一", "答：二", "问：三"))
    assert problem.kind == "no last answer"


@pytest.mark.parametrize(
    ("texts", "kind"),
    [(["问：一", "二"], "speaker"), (["问：一", None], "not text"), (["问：一", ["答：二"]], "not text")],
)
def test_what_would_be_lost_is_refused(texts: list[Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read(*texts)
    assert caught.value.kind == kind


@pytest.mark.parametrize("row", [{}, {"data": "问：一"}, {"data": None}])
def test_a_row_of_another_shape_is_refused(row: dict[str, Any]) -> None:
    assert not huatuo.sniff(row)
    with pytest.raises(RowProblem) as caught:
        huatuo.read(row, huatuo.columns)
    assert caught.value.kind == "shape"
