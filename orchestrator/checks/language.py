"""language: the last answer is in Chinese (`zh`) or in English (`en`), by the share of its letters.

Told by script: Han characters for Chinese, simplified or traditional, Latin letters for English. A Han
character counts as three Latin letters, for it says about as much; a name in the other language does not make
an answer another one. Fenced and inline code, formulas, addresses, digits and punctuation do not count, and
neither does thinking that the server split off. Han characters beside kana are Japanese. What is not told:
English from other languages in Latin letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import Case, PromptPlan, last_turn, quoted, verdict, whole, why_unanswered
from orchestrator.results import Transcript, Verdict

name = "language"

NAMES = {"zh": "Chinese", "en": "English"}
# Of all letters, as they weigh: below it, an answer is a mixture.
LEAST = 0.6
_HAN_WEIGHT = 3
# Of Han and kana together: Japanese prose has half, a Chinese text at most a name.
_KANA_SHARE = 0.1

_NO_PROSE = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)"
    r"|`[^`\n]*`|\$\$.*?\$\$|\\\(.*?\\\)|\\\[.*?\\\]"
    r"|https?://[^\s，。；）】」]+|[\w.+-]+@[\w-]+\.[\w.]+",
    re.DOTALL | re.ASCII,
)
_HAN = re.compile(r"[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_KANA = re.compile(r"[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when enough of the last answer's letters are of the language."""
    turn = last_turn(transcripts)
    expected = NAMES[argument]
    missing = why_unanswered(turn)
    if turn is None or missing:
        return verdict(case, name, turn, passed=False, reason=missing, expected=expected)
    found = shares(turn.content)
    share = found.get(argument, 0.0)
    passed = bool(found) and share >= LEAST
    reason = f"{share:.0%} of the letters are {expected}" if found else "the answer has no letters"
    if not passed:
        reason += f", at least {LEAST:.0%} wanted: {quoted(turn.content)}"
    return verdict(case, name, turn, passed=passed, reason=reason, expected=expected)


def problem(argument: Any) -> str | None:
    """One of the two languages is wanted."""
    return None if argument in ("zh", "en") else "must be zh or en"


def shares(text: str) -> dict[str, float]:
    """Language → its share of the letters: "zh", "en" and "other"; empty where there are none.

    >>> shares("DeepSeek 是模型")
    {'zh': 0.5294117647058824, 'en': 0.47058823529411764, 'other': 0.0}
    >>> shares("`print(1)` 3.14")
    {}
    """
    prose = unicodedata.normalize("NFKC", _NO_PROSE.sub(" ", text))
    han, kana, latin = (len(kind.findall(prose)) for kind in (_HAN, _KANA, _LATIN))
    letters = sum(unicodedata.category(each).startswith("L") for each in prose)
    other = max(0, letters - han - kana - latin)
    weights = {"zh": _HAN_WEIGHT * han, "en": latin, "other": _HAN_WEIGHT * kana + other}
    if kana and kana >= _KANA_SHARE * (han + kana):
        weights |= {"zh": 0, "other": weights["other"] + weights["zh"]}
    total = sum(weights.values())
    return {each: weight / total for each, weight in weights.items()} if total else {}
