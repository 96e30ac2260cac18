"""What the three ROUGE scores share: rouge-chinese over jieba's words, as LLaMA-Factory does it (0.9.5)."""

from __future__ import annotations

import warnings
from functools import lru_cache

from orchestrator.metrics.words import words_of


@lru_cache(maxsize=4096)
def f_scores(predict: str, label: str) -> dict[str, float]:
    """The three by name, each an F of 0 to 100 to four decimals; 0 where either text is blank."""
    hypothesis, reference = (" ".join(words_of(text)) for text in (predict, label))
    if not hypothesis.split() or not reference.split():
        return dict.fromkeys(("rouge-1", "rouge-2", "rouge-l"), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rouge_chinese import Rouge

        found = Rouge().get_scores(hypothesis, reference)[0]
    return {name: round(float(value["f"]) * 100, 4) for name, value in found.items()}
