"""rouge-1, rouge-2 and rouge-l: words, pairs of words and the longest common subsequence of words in common.

As LLaMA-Factory computes them (metrics/rouge.py of 0.9.5): rouge-chinese over jieba's words.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jieba import Tokenizer


@dataclass(frozen=True, slots=True)
class Rouge:
    """One of the three scores."""

    name: str

    def score(self, predict: str, label: str) -> float:
        """0 to 100, to four decimals.

        >>> Rouge("rouge-l").score("我是海螺", "我是海螺") > 99.99
        True
        """
        return _f_scores(predict, label)[self.name]


rouge1, rouge2, rouge_l = Rouge("rouge-1"), Rouge("rouge-2"), Rouge("rouge-l")


@lru_cache(maxsize=4096)
def _f_scores(predict: str, label: str) -> dict[str, float]:
    """All three by name; 0 if either text is blank."""
    hypothesis, reference = (" ".join(words_of(text)) for text in (predict, label))
    if not hypothesis.split() or not reference.split():
        return dict.fromkeys(("rouge-1", "rouge-2", "rouge-l"), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import rouge_chinese

        found = rouge_chinese.Rouge().get_scores(hypothesis, reference)[0]
    return {name: round(float(value["f"]) * 100, 4) for name, value in found.items()}


@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, white space among them: `list(jieba.cut(text))`.

    >>> words_of("我是神奇海螺。")
    ('我', '是', '神奇', '海螺', '。')
    """
    return tuple(_tokenizer().cut(text))


@cache
def _tokenizer() -> Tokenizer:
    """Jieba with its own dictionary, built in memory (under a second, once per process).

    By default jieba caches it as a marshal file in the shared temporary folder, where anybody could have
    placed another one.
    """
    with warnings.catch_warnings():
        # Invalid escapes that newer Pythons warn about, and setuptools' pkg_resources if it is installed.
        warnings.simplefilter("ignore")
        import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer
