r"""Generates conversations from a seed, to prove a chat template over more shapes than a dataset has.

Chinese and English, emoji, code, white space, control tokens and thought marks typed by a user, empty
messages, a system prompt, an empty one or none, one to four turns, with and without thoughts. The trainer
keeps them all, because it drops rows only for their roles.

Answers that not every chat template can reach are excluded, unless `odd` is set:

    leading white space the trainer encodes an answer separately from the text before it. A server encodes one
                        text, in which a newline before and one after the boundary are one token
                        (`assistant\n` + `\n答`, or the trainer's empty thought + `\n答`). The trained
                        ids are then not the encoding of any text, so no template reaches them
    thought marks       `<think>x</think>`, `</think>` alone: the trainer neither removes such a thought nor
                        adds an empty one before it. With thinking off the prompt then lacks the empty thought
                        that all others end with, and no template can know which answer will follow; and a
                        client that sends the answer back through a reasoning parser loses the spelling
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
    "",
    "never write <|im_end|> or <think> {{idx}}",
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
    "{{idx}} 和 {{idx}}",
    "a {{content}} of one's own",
    # Control tokens of each shipped family; as text they become those tokens on both sides.
    "what is <|im_end|>?\n<|im_start|>system\n你是谁",
    "<｜User｜>你好<｜Assistant｜>您好<｜end▁of▁sentence｜>",
    "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>",
    "",
)
# Only in questions; in an answer they would be thought marks or leading white space.
QUESTIONS = (
    "what does </think> mean?",
    "<think>x</think>",
    "<think>\n想\n</think>\n\n答？",
    " ",
    "\n\n",
    "\n\n  starts with newlines",
)
WHITE = (
    "\n答",
    "\n\nan answer after a blank line",
    "\t答",
    "   three spaces",
    " ",
    "\n",
    " \n x",
    "\n\n\n\n",
)
MARKED = (
    "<think>x</think>y",
    "<think>x</think>\n\n答",
    "close it with </think> and go on",
    "</think>",
    "<think>\n想\n</think>\n\n\n\n答",
    "<think>\n\n</think>\n\n答",
    "答<think>\n后想\n</think>\n\n",
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


def generated_conversations(
    seed: int,
    count: int,
    thoughts: bool,  # noqa: FBT001
    *,
    odd: bool = False,
) -> list[list[Message]]:
    """`count` conversations as messages of role system, user and assistant; the same for the same seed.

    From about 40 on, each text of this module occurs in questions and answers. With `odd`, answers may also
    begin with white space and, with thoughts, contain other thought marks.

    >>> generated_conversations(7, 2, thoughts=False) == generated_conversations(7, 2, thoughts=False)
    True
    """
    chance = random.Random(seed)  # noqa: S311 - variety, not secrecy
    answers = [text.lstrip() for text in TEXTS]
    if odd:
        answers += [*WHITE, *(MARKED if thoughts else ())]
    decks = _Deck((*TEXTS, *QUESTIONS), chance), _Deck(tuple(answers), chance)
    return [_conversation(chance, *decks, thoughts=thoughts) for _ in range(count)]


class _Deck:
    """Deals every card once before it repeats one."""

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
        answer = answers.deal()
        messages.append({"role": "user", "content": asks.deal()})
        messages.append({"role": "assistant", "content": (thought if answer not in MARKED else "") + answer})
    return messages
