"""Chinese text as words, by jieba with its own dictionary, as LLaMA-Factory cuts it.

jieba keeps its dictionary as a marshal file in the shared temporary folder, where anybody could have laid
another one: here it is built in memory instead (under a second, once a process), and no file is read but
the package's own.
"""

from __future__ import annotations

import warnings
from functools import cache, lru_cache
from typing import Any


@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, white space among them: `list(jieba.cut(text))`.

    >>> words_of("我是神奇海螺。")
    ('我', '是', '神奇', '海螺', '。')
    """
    return tuple(_tokenizer().cut(text))


@cache
def _tokenizer() -> Any:
    with warnings.catch_warnings():
        # Escapes that newer Pythons warn of, and setuptools' pkg_resources where that is installed.
        warnings.simplefilter("ignore")
        import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer
