"""Documents: as they stand, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem, Text
from orchestrator.datasets.formats import text


def test_a_document_stays_as_it_is() -> None:
    assert text.read({"text": " 海螺\n说 "}, text.columns) == Text(" 海螺\n说 ")


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"text": None}, "null"),
        ({"text": 3}, "not text"),
        ({}, "missing key"),
    ],
)
def test_what_is_no_document_is_refused(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        text.read(row, text.columns)
    assert caught.value.kind == kind


def test_sniffs_its_own_shape_only() -> None:
    assert text.sniff({"text": "", "url": "…"})
    assert not text.sniff({"content": "a"})
