"""Questions of general knowledge: whether a model still knows what it knew before it was taught something.

Chinese and English by turns, short, each with an answer that is not in doubt; written for Conch. What is
looked for is that a tuned model passes as many as its base, not that either passes all.
"""

from __future__ import annotations

from orchestrator.checks.base import Case

_QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("中国的首都是哪座城市？", ("北京",)),
    ("What is the capital of France?", ("Paris", "巴黎")),
    ("一年有多少个月？", ("12", "十二")),
    ("How many days are there in a week?", ("7", "seven", "Seven", "七")),
    ("二加三等于几？", ("5", "五")),
    ("What is ten minus four?", ("6", "six", "Six")),
    ("太阳从哪个方向升起？", ("东",)),
    ("Which planet do we live on?", ("Earth", "地球")),
    ("《静夜思》的作者是谁？", ("李白",)),
    ("Who wrote Romeo and Juliet?", ("Shakespeare", "莎士比亚")),
    ("水的化学式是什么？", ("H2O", "H₂O", "H_2O")),
    ("At how many degrees Celsius does water boil at sea level?", ("100", "hundred")),
    ("世界上最高的山峰叫什么？", ("珠穆朗玛", "珠峰", "Everest")),
    ("What is the largest ocean on Earth?", ("Pacific", "太平洋")),
    ("“你好”用英语怎么说？", ("Hello", "hello", "Hi", "hi")),
    ('Translate "thank you" into Chinese.', ("谢谢", "感谢", "謝謝")),
    ("猫有几条腿？", ("4", "四")),
    ("What colour do you get when you mix blue and yellow?", ("green", "Green")),
    ("冰是由什么变成的？", ("水",)),
    ("Is the number 7 odd or even?", ("odd", "Odd")),
    ("一小时有多少分钟？", ("60", "六十")),
    ("Complete the series: 2, 4, 6, 8, …", ("10", "ten")),
    ("“大”的反义词是什么？", ("小",)),
    ("What is the opposite of hot?", ("cold", "Cold")),
)


def cases() -> tuple[Case, ...]:
    """The questions, each with the answers of which one must occur."""
    return tuple(
        Case(f"general[{at}]", (ask,), expect={"any_of": list(answers)})
        for at, (ask, answers) in enumerate(_QUESTIONS)
    )
