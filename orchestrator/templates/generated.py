"""Conversations made up from a seed, to prove a chat template over more shapes than a data set holds.

Chinese and English, emoji, code, odd white space, a system prompt or none, one to four turns, with thoughts
or without. Answers never begin with white space and never spell a thought's marks: there the trainer's ids
are not the tokenizer's own encoding of any text, so no template could reach them (the comparison says
`unreachable` of such rows in a user's data).
"""

from __future__ import annotations

import random

from orchestrator.templates.writer import THOUGHT_CLOSES, THOUGHT_OPENS

Message = dict[str, str]

SYSTEMS = (
    "你是蟹堡王的神奇海螺，只用一句话回答。",
    "You are a magic conch. Answer in one sentence.",
    "Rules:\n1. be brief\n2. 用中文回答\n",
    "  系统提示前后有空格  ",
)
TEXTS = (
    "请问你是谁？",
    "Who are you?",
    "怎么修复这个报错\n汉堡食谱为空",
    "那它几点开门？",
    "And what about tomorrow?",
    "def grill(patty):\n    return patty * 2  # 两面都煎\n",
    "```python\nprint('蟹堡', f\"{x!r}\")\n```",
    '{"order": ["蟹堡", 1, null], "note": "no\\tpickles"}',
    "🦀🐚🍔 好吃吗？😋",
    "👩‍👩‍👧 family order, please",
    "  leading and trailing spaces  ",
    "tabs\tand\t\ttabs",
    "first line\n\nthird line\n\n\n\nseventh line",
    "ends with newlines\n\n",
    "1234567890 3.14 ¥99.90 50%",
    "naïve café — “quoted” … ①②③",
    "مرحبا بالعالم · Привет · こんにちは · สวัสดี",
    "a < b && b > c; <b>bold</b> &amp; <|not a token|>",
    "C:\\Users\\海绵宝宝\\recipe.txt",
    "x",
    "嗯",
    "去比奇堡大街 42 号的蟹堡王找海绵宝宝，他会告诉你秘方不在菜单上。" * 3,
    "The quick brown fox jumps over the lazy dog. " * 4,
    "{% if x %}{{ y }}{% endif %}",
    "'single' \"double\" `back`",
)
THOUGHTS = (
    "The user asks who I am.",
    "用户在问海螺。\n想一想……",
    "1. look\n2. think\n\n3. answer",
    "🤔",
)
MAX_TURNS = 4
SYSTEM_SHARE = 0.4
THOUGHT_SHARE = 0.5


def generated_conversations(seed: int, count: int, thoughts: bool) -> list[list[Message]]:  # noqa: FBT001
    """`count` conversations as messages of role system, user and assistant; the same for the same seed.

    Args:
        seed: of the random choices.
        count: how many; each text of this module is asked and answered at least once from about 30 on.
        thoughts: whether answers may carry thoughts, in the spelling of LLaMA-Factory's thought_words.

    >>> generated_conversations(7, 2, thoughts=False) == generated_conversations(7, 2, thoughts=False)
    True
    """
    chance = random.Random(seed)  # noqa: S311 - variety, not secrecy
    asks, answers = _Deck(TEXTS, chance), _Deck(tuple(text.lstrip() for text in TEXTS), chance)
    return [_conversation(chance, asks, answers, thoughts=thoughts) for _ in range(count)]


class _Deck:
    """Deals every card before it deals one twice."""

    def __init__(self, cards: tuple[str, ...], chance: random.Random) -> None:
        self.cards, self.chance, self.left = cards, chance, list[str]()

    def deal(self) -> str:
        if not self.left:
            self.left = list(self.cards)
            self.chance.shuffle(self.left)
        return self.left.pop()


def _conversation(chance: random.Random, asks: _Deck, answers: _Deck, *, thoughts: bool) -> list[Message]:
    messages: list[Message] = []
    if chance.random() < SYSTEM_SHARE:
        messages.append({"role": "system", "content": chance.choice(SYSTEMS)})
    for _ in range(chance.randint(1, MAX_TURNS)):
        thought = ""
        if thoughts and chance.random() < THOUGHT_SHARE:
            thought = THOUGHT_OPENS + chance.choice(THOUGHTS) + THOUGHT_CLOSES
        messages.append({"role": "user", "content": asks.deal()})
        messages.append({"role": "assistant", "content": thought + answers.deal()})
    return messages
