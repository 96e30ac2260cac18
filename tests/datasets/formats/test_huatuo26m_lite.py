"""One question and one answer, in a list or not; of several none is lost in silence."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import huatuo26m_lite


@pytest.mark.parametrize(
    ("questions", "answers"),
    [("头疼吗", "多休息。"), (["头疼吗"], ["多休息。"]), ([["头疼吗"]], ["多休息。"])],
)
def test_the_one_text_is_read(questions: Any, answers: Any) -> None:
    row = {"id": 3, "questions": questions, "answers": answers, "label": "神经科学"}
    assert huatuo26m_lite.sniff(row)
    told = huatuo26m_lite.read(row, huatuo26m_lite.columns)
    assert [message["content"] for message in told] == ["头疼吗", "多休息。"]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"questions": ["a", "b"], "answers": "c"}, "several questions"),
        ({"questions": [["a", "b"]], "answers": "c"}, "several questions"),
        ({"questions": "a", "answers": ["b", "c"]}, "several answers"),
        ({"questions": [], "answers": "c"}, "no questions"),
        ({"questions": "a", "answers": None}, "null"),
        ({"questions": [3], "answers": "c"}, "not text"),
        ({"questions": "a"}, "missing key"),
    ],
)
def test_what_would_be_lost_is_refused(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        huatuo26m_lite.read(row, huatuo26m_lite.columns)
    assert caught.value.kind == kind
    assert caught.value.hint
