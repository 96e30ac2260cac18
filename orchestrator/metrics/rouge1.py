"""rouge-1: single words in common, as LLaMA-Factory computes it (metrics/rouge.py)."""

from __future__ import annotations

from orchestrator.metrics.rouge import f_scores

name = "rouge-1"


def score(predict: str, label: str) -> float:
    """0 to 100, to four decimals.

    >>> score("我是海螺", "我是海螺") > 99.99
    True
    """
    return f_scores(predict, label)[name]
