"""language: the last answer is in Chinese (`zh`) or in English (`en`), by the share of its letters.

Decided by script: Han characters for Chinese, simplified or traditional, Latin letters for English. A Han
character counts as three Latin letters, since it says about as much; a name in the other language does not
change the result. Fenced and inline code, formulas, addresses, digits, punctuation and thinking that the
server split off do not count. Han characters beside kana are Japanese. English is not told apart from other
languages in Latin letters.
"""

from __future__ import annotations

import re
import unicodedata

from orchestrator.checks.base import LastAnswerCheck, Result, quoted
from orchestrator.results import Sentence, Turn

NAMES = {"zh": Sentence("Chinese", "中文"), "en": Sentence("English", "英文")}
# Of all weighted letters: an answer with a smaller share is a mixture.
LEAST = 0.6
_HAN_WEIGHT = 3
# Of Han and kana together: Japanese prose has half, a Chinese text at most a name.
_KANA_SHARE = 0.1

_NO_PROSE = (
    r"(?sa)```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)"
    r"|`[^`\n]*`|\$\$.*?\$\$|\\\(.*?\\\)|\\\[.*?\\\]"
    r"|https?://[^\s，。；）】」]+|[\w.+-]+@[\w-]+\.[\w.]+"
)
_HAN = r"[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
_KANA = r"[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff]"
_LATIN = r"[A-Za-z\u00c0-\u024f]"


class Language(LastAnswerCheck[str]):
    """Enough of the last answer's letters are of the language."""

    name = "language"

    def expected(self, argument: str) -> str:
        return NAMES[argument]

    def result(self, turn: Turn, argument: str) -> Result:
        found, name, answer = shares(turn.content), NAMES[argument], quoted(turn.content)
        if not found:
            return False, Sentence(f"the answer has no letters: {answer}", f"回答中没有文字：{answer}")
        share = found.get(argument, 0.0)
        en, zh = f"{share:.0%} of the letters are {name}", f"{share:.0%} 的文字是{name.zh}"
        if share >= LEAST:
            return True, Sentence(en, zh)
        return False, Sentence(
            f"{en} (at least {LEAST:.0%} required): {answer}", f"{zh}（至少需要 {LEAST:.0%}）：{answer}"
        )

    def problem(self, argument: object) -> str | None:
        return None if argument in ("zh", "en") else "must be zh or en"


CHECK = Language()


def shares(text: str) -> dict[str, float]:
    """Language → its share of the letters: "zh", "en" and "other"; empty where there are none.

    >>> shares("DeepSeek 是模型")
    {'zh': 0.5294117647058824, 'en': 0.47058823529411764, 'other': 0.0}
    >>> shares("`print(1)` 3.14")
    {}
    """
    prose = unicodedata.normalize("NFKC", re.sub(_NO_PROSE, " ", text))
    han, kana, latin = (len(re.findall(kind, prose)) for kind in (_HAN, _KANA, _LATIN))
    letters = sum(unicodedata.category(each).startswith("L") for each in prose)
    other = max(0, letters - han - kana - latin)
    weights = {"zh": _HAN_WEIGHT * han, "en": latin, "other": _HAN_WEIGHT * kana + other}
    if kana and kana >= _KANA_SHARE * (han + kana):
        weights |= {"zh": 0, "other": weights["other"] + weights["zh"]}
    total = sum(weights.values())
    return {each: weight / total for each, weight in weights.items()} if total else {}
