"""exact_match: the same text in NFC, stripped; case-sensitive."""

from __future__ import annotations

import unicodedata

name = "exact_match"


def score(predict: str, label: str) -> float:
    """100 or 0.

    >>> score(" 好。", "好。"), score("好", "不好")
    (100.0, 0.0)
    """
    predicted, expected = (unicodedata.normalize("NFC", text).strip() for text in (predict, label))
    return 100.0 if predicted == expected else 0.0
