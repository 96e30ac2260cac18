"""chrF (Popović 2015): character n-grams in common, of one to six characters, recall counting twice.

The number is that of sacrebleu's `sentence_chrf` with its defaults; written out here, since sacrebleu brings
seven packages for these lines. It needs no words, so it is the same for Chinese and English.
"""

from __future__ import annotations

from collections import Counter

name = "chrf"

LONGEST = 6
RECALL = 2.0


def score(predict: str, label: str) -> float:
    """0 to 100; white space does not count.

    >>> round(score("我是海螺", "我是神奇海螺"), 2)
    28.74
    """
    mine, wanted = ("".join(text.split()) for text in (predict, label))
    precision = recall = orders = 0.0
    for size in range(1, LONGEST + 1):
        said, expected = _grams(mine, size), _grams(wanted, size)
        if not said or not expected:
            continue
        common = (said & expected).total()
        precision += common / said.total()
        recall += common / expected.total()
        orders += 1
    if not precision + recall:
        return 0.0
    precision, recall = precision / orders, recall / orders
    weight = RECALL**2
    return 100 * (1 + weight) * precision * recall / (weight * precision + recall)


def _grams(text: str, size: int) -> Counter[str]:
    return Counter(text[at : at + size] for at in range(len(text) - size + 1))
