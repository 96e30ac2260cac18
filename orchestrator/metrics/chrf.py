"""chrF (Popović 2015): n-grams of one to six characters in common, with recall weighted twice.

The same number as sacrebleu's `sentence_chrf` with its defaults; written out here, since sacrebleu would add
seven packages. It needs no word segmentation, so it treats Chinese and English alike.
"""

from __future__ import annotations

from collections import Counter

name = "chrf"

LONGEST = 6
RECALL = 2.0


def score(predict: str, label: str) -> float:
    """0 to 100; white space is ignored.

    >>> round(score("我是海螺", "我是神奇海螺"), 2)
    28.74
    """
    predicted, expected = ("".join(text.split()) for text in (predict, label))
    precision = recall = orders = 0.0
    for size in range(1, LONGEST + 1):
        found, reference = _grams(predicted, size), _grams(expected, size)
        if not found or not reference:
            continue
        common = (found & reference).total()
        precision += common / found.total()
        recall += common / reference.total()
        orders += 1
    if not precision + recall:
        return 0.0
    precision, recall = precision / orders, recall / orders
    weight = RECALL**2
    return 100 * (1 + weight) * precision * recall / (weight * precision + recall)


def _grams(text: str, size: int) -> Counter[str]:
    return Counter(text[at : at + size] for at in range(len(text) - size + 1))
