"""What a taught answer must be recognised by: a key phrase of a short answer, else its similarity. Pure.

The expectation of a row holds for its own answer, and fails for its question and for every other answer that
it is given. A key phrase is a fact (time, date, number, amount, name), else the words of the answer that are
not in its question. Where no phrase tells the answers apart, the whole clause, two phrases, the similarity
(chrF) or the exact text does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise

from orchestrator.metrics import METRICS

Expectation = dict[str, object]

# Of an answer with a key phrase, in Chinese characters; three letters count as one.
SHORT = 40
# Of an answer that a recipe quotes.
QUOTED = 300
# Of a key phrase.
PHRASE = 16
# Phrases that are tried.
MOST_PHRASES = 40
# Little words inside a key phrase.
LITTLE_INSIDE = 2
# The least similarity that is asked for; above the other bound the exact text is.
LEAST, NEARLY_EQUAL = 0.6, 0.9
# Texts whose similarity is computed.
NEAREST = 24
# Of an answer that is only right as it stands: 可以 is similar to 不可以.
TINY = 6

_WHEN = (
    r"(?:每[天日周月年次]|早上|上午|中午|下午|傍晚|晚上|凌晨|夜里|半夜|周[一二三四五六日天末]"
    r"|星期[一二三四五六日天]){0,3}"
)
_UNIT = (
    r"(?:点半|点钟|点|时|分钟|分|秒|小时|天|日|号|周|个月|月|年|岁|元|块钱|块|角|美元|%|％|折|度|℃|公里|公斤"
    r"|千克|毫升|毫克|厘米|米|克|升|斤|个|位|名|次|楼|层|室|件|份|张|条|杯|碗|本|倍|种|页|人|门|路)"
)
_FACT = re.compile(
    rf"{_WHEN}[0-9０-９][0-9０-９.,:：/~–-]{{0,24}}[0-9０-９]?\s?(?:{_UNIT}(?:\d{{1,4}}{_UNIT}){{0,4}}|[A-Za-z]{{1,16}})?"
    # One alone is rarely a number: 一起, 一样, 一点.
    rf"|{_WHEN}(?:[零〇两二三四五六七八九十百千万亿半]|一(?=[零一二三四五六七八九十百千万亿月号楼元块折岁]))"
    rf"[零〇一两二三四五六七八九十百千万亿半]{{0,12}}{_UNIT}{{1,2}}"
    r"|(?:早上|上午|中午|下午|傍晚|晚上|凌晨)一点半?|(?:周|星期)[一二三四五六日天末]"
)
# Not the first word of a sentence.
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)+|^(?!The |A |An )[A-Z][a-z]+(?: [A-Z][a-z]+)+")
_TOKEN = re.compile(r"[A-Za-zÀ-ÿ]+(?:['’_-][A-Za-zÀ-ÿ]+)*|[0-9]+|[\u3400-\u9fff]|[^\W\d_]")
_CLAUSE = re.compile(r"[^，。！？；：、,.!?;:\n…“”\"()（）《》「」]+")
_LITTLE = frozenset(
    "的了是在有我你您他她它们这那就都也和与及吧呢啊吗呀哦很会能可以要请为被把从到对给让用上下中里"
)
_LITTLE_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a an the i you he she it we they is are was were be am been do does did have has had to of in on at by
        for with from as and or but not no yes my your his her its our their this that there here can will
        would may which who what when where how
        """,
    )
)
# Letters from here on are Chinese, Japanese or Korean.
_CJK = 0x2E80


def expectation_of(answer: str, questions: Sequence[str], others: Iterable[str]) -> Expectation | None:
    """What an answer to the questions must be; None where nothing short tells it from the others.

    >>> expectation_of("晚上十点关门。", ["你们几点关门？"], ["早上九点开门。"])
    {'contains': '晚上十点'}
    >>> expectation_of("It belongs to Ada Brook.", ["Who owns the bakery?"], ["It belongs to Tom Reed."])
    {'contains': 'Ada Brook'}
    """
    own, wrong = _normal(answer), _different(answer, [*others, *questions])
    if _weight(own) <= SHORT or len(own) > QUOTED:
        known = _normal("\n".join(questions))
        for phrases in _phrases(own, known):
            if not any(all(phrase in text for phrase in phrases) for text in wrong):
                return {"contains": phrases[0] if len(phrases) == 1 else list(phrases)}
    if len(own) > QUOTED:
        return None
    likeness = METRICS["chrf"].score
    nearest = max((likeness(text, own) / 100 for text in _nearest(own, wrong)), default=0.0)
    if nearest > NEARLY_EQUAL or len(own) <= TINY:
        return {"equals": own}
    return {"similar": {"to": own, "least": max(LEAST, round((1 + nearest) / 2, 2))}}


def _normal(text: str) -> str:
    """As the checks compare texts."""
    return unicodedata.normalize("NFC", text).strip()


def _different(answer: str, others: Iterable[str]) -> list[str]:
    own = _normal(answer)
    return [text for text in dict.fromkeys(map(_normal, others)) if text != own]


def _nearest(own: str, others: Sequence[str]) -> list[str]:
    """The texts that share the most pairs of characters with one; chrF of all of them is slow."""
    pairs = set(pairwise(own))

    def shared(text: str) -> float:
        return len(pairs & set(pairwise(text))) / max(len(text), len(own))

    return sorted(others, key=shared, reverse=True)[:NEAREST]


def _weight(text: str) -> float:
    return sum(1 if ord(char) >= _CJK else 1 / 3 for char in text)


def _phrases(answer: str, question: str) -> Iterator[tuple[str, ...]]:
    """One or two phrases that may tell the answer apart, the best first."""
    facts = dict.fromkeys(_whole_number(answer, found) for found in _FACT.finditer(answer))
    facts = dict.fromkeys(fact for fact in facts if fact not in question and len(fact) > 1)
    names = (found[0] for found in _NAME.finditer(answer))
    facts |= dict.fromkeys(name for name in names if name.lower() not in question.lower())
    words = [word for word in _new_words(answer, question) if word not in facts]
    single = [*facts, *words][:MOST_PHRASES]
    yield from ((phrase,) for phrase in single)
    clauses = [found[0].strip() for found in _CLAUSE.finditer(answer)]
    clauses = [one for one in clauses if len(one) > 1 and _weight(one) <= PHRASE and one not in question]
    yield from ((clause,) for clause in sorted(clauses, key=_weight, reverse=True))
    yield from combinations([*single[:4], *clauses[:4]], 2)


def _whole_number(answer: str, found: re.Match[str]) -> str:
    """The fact; a number of few digits takes the word before it along: "5元" is also in "15元"."""
    fact, before = found[0].strip().rstrip(".,:：/~–-"), answer[: found.start()]
    if not re.match(r"\d{1,2}(?!\d)", fact):
        return fact
    word = re.search(r"(?:[A-Za-z$€£¥￥-]+\s?|[\u3400-\u9fff]{1,4})$", before)
    return (word[0] if word else "") + fact


def _new_words(answer: str, question: str) -> list[str]:
    """The runs of words of the answer that its question does not have, the longest first, later ones before.

    A run may have little words inside: "回答你的问题" before "回答" and "问题".
    """
    asked = {found[0].lower() for found in _TOKEN.finditer(question)}
    runs: dict[tuple[int, int], None] = {}
    for clause in _CLAUSE.finditer(answer):
        for most in (LITTLE_INSIDE, 0):
            start, end, little = -1, -1, 0
            for token in _TOKEN.finditer(answer, clause.start(), clause.end()):
                if is_new := not (_is_little(token) or _is_asked(token, answer, question, asked)):
                    start, end, little = start if start >= 0 else token.start(), token.end(), 0
                little += not is_new
                if start >= 0 and not is_new and (little > most or not _is_little(token)):
                    runs[start, end], start = None, -1
            if start >= 0:
                runs[start, end] = None
    texts = dict.fromkeys(answer[start:end] for start, end in sorted(runs, reverse=True))
    fitting = [text for text in texts if len(text) > 1 and _weight(text) <= PHRASE]
    return sorted(fitting, key=_weight, reverse=True)


def _is_little(token: re.Match[str]) -> bool:
    """Whether a word says little by itself."""
    return token[0] in _LITTLE or token[0].lower() in _LITTLE_WORDS


def _is_asked(token: re.Match[str], answer: str, question: str, asked: set[str]) -> bool:
    """Whether a word is in the question; a Chinese character, with one beside it."""
    if ord(token[0][0]) < _CJK:
        return token[0].lower() in asked
    start, end = token.span()
    pairs = (answer[max(0, start - 1) : end], answer[start : end + 1])
    return any(len(pair) > 1 and pair in question for pair in pairs)
