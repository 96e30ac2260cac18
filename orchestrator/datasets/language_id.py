"""The language of a text, by its characters: rough, fast, without a model. Pure.

Covers Chinese (simplified or traditional), English, Japanese and Korean; anything else is "other". A short
Chinese text without a character that differs between the two scripts is reported as "either script".
"""

from __future__ import annotations

import re
from collections import Counter

# The most frequent characters that only one of the two scripts uses, in pairs.
_SIMPLIFIED = (
    "们这为来说国时会学对发个过还后么没开关见长门问间现电话车东马鱼鸟乐药医经应实进动两无与业产当务头儿"
    "体点种样将从认书记设让给听语请读谢该认识谁调谈试课题热爱师带写军农转轻边运远连达选员场块坏难欢观"
    "习买卖亲觉视单双变号吗气汉济满湿热营养检验疗症状肿胀脑脏肾肠"
)
_TRADITIONAL = (
    "們這為來說國時會學對發個過還後麼沒開關見長門問間現電話車東馬魚鳥樂藥醫經應實進動兩無與業產當務頭兒"
    "體點種樣將從認書記設讓給聽語請讀謝該認識誰調談試課題熱愛師帶寫軍農轉輕邊運遠連達選員場塊壞難歡觀"
    "習買賣親覺視單雙變號嗎氣漢濟滿濕熱營養檢驗療症狀腫脹腦臟腎腸"
)
SIMPLIFIED = frozenset(_SIMPLIFIED) - frozenset(_TRADITIONAL)
TRADITIONAL = frozenset(_TRADITIONAL) - frozenset(_SIMPLIFIED)
# Only the beginning of a text is examined.
LOOKED_AT = 500
_RUNS = {
    "Chinese": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+"),
    "Latin": re.compile(r"[A-Za-z\u00c0-\u024f]+"),
    "kana": re.compile(r"[\u3041-\u30ff\u31f0-\u31ff]+"),
    "Hangul": re.compile(r"[\uac00-\ud7af\u1100-\u11ff]+"),
    "digits": re.compile(r"[0-9０-９]+"),
    "other": re.compile(
        r"[^\W\d_A-Za-z\u00c0-\u024f\u1100-\u11ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
        r"\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af]+"
    ),
}
_ENGLISH = re.compile(
    r"\b(?:the|a|an|is|are|was|of|to|and|in|on|it|you|i|what|how|who|where|when|do|does|can|my|your|for|not)\b"
)
# A Chinese character corresponds to about this many Latin letters.
_LETTERS = 3


def scripts_of(text: str) -> Counter[str]:
    """Script → number of its characters among those examined, without punctuation and spaces."""
    looked_at = text[:LOOKED_AT]
    counted = {name: sum(map(len, run.findall(looked_at))) for name, run in _RUNS.items()}
    return Counter({name: count for name, count in counted.items() if count})


def language_of(text: str, scripts: Counter[str] | None = None) -> str:
    """The language of a text; "none" if it has no letters.

    >>> [language_of(text) for text in ("头疼怎么办？", "頭疼怎麼辦？", "Who are you?", "123")]
    ['Chinese, simplified', 'Chinese, traditional', 'English', 'none']
    """
    found = scripts_of(text) if scripts is None else scripts
    letters = {name: count for name, count in found.items() if name != "digits"}
    if not letters:
        return "none"
    if found["kana"] * 5 >= found["Chinese"] and found["kana"] > found["Latin"] / _LETTERS:
        return "Japanese"
    weighed = {name: count * (1 if name == "Latin" else _LETTERS) for name, count in letters.items()}
    most = max(weighed, key=lambda name: weighed[name])
    if most == "Chinese":
        return f"Chinese, {_script(text[:LOOKED_AT])}"
    if most == "Latin":
        return "English" if _ENGLISH.search(text[:LOOKED_AT].lower()) else "Latin letters, no English words"
    return {"Hangul": "Korean", "kana": "Japanese"}.get(most, "other")


def _script(text: str) -> str:
    characters = set(text)
    simplified, traditional = len(characters & SIMPLIFIED), len(characters & TRADITIONAL)
    if min(simplified, traditional) * 4 > max(simplified, traditional):
        return "both scripts"
    if not simplified and not traditional:
        return "either script"
    return "simplified" if simplified > traditional else "traditional"
