"""bleu-4: as LLaMA-Factory computes it (src/llamafactory/train/sft/metric.py of 0.9.5).

Over characters, not words; each text by itself, smoothed by method 3. Not comparable with sacrebleu, which
scores words over a whole corpus.
"""

from __future__ import annotations

import warnings

name = "bleu-4"


def score(predict: str, label: str) -> float:
    """0 to 100, to four decimals.

    >>> score("我是神奇海螺。", "我是神奇海螺。")
    100.0
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

        smoothed = SmoothingFunction().method3
        found = sentence_bleu([list(label)], list(predict), smoothing_function=smoothed)
    return round(float(found) * 100, 4)
