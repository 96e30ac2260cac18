"""Files given to `conch data add`: what becomes of odd rows, and that the recipe they make can be planned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from tests.faults.hostile import Hostile, Place, write

FILE = "odd.jsonl"


def added(*more: str) -> tuple[str, ...]:
    """The words of the command."""
    return ("data", "add", FILE, "--name", "odd", "--recipe", "small", *more)


ADD = added()


def rows(*pairs: tuple[object, object], system: str = "") -> Callable[[Place], object]:
    """The file: questions and answers."""
    return lines({"instruction": ask, "output": answer, "system": system} for ask, answer in pairs)


def lines(found: Iterable[object]) -> Callable[[Place], object]:
    """The file: any rows."""
    return write(FILE, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))


CASES = (
    Hostile(
        "one row",
        rows(("几点关门？", "晚上十点。")),
        ADD,
        0,
        ("asks 1 questions", "晚上十点"),
        also_json=False,
    ),
    Hostile(
        "answers that are all equal",
        rows(*((f"第{number}问？", "九点开门。") for number in range(9))),
        ADD,
        0,
        ("asks 8 questions", "contains 九点"),
    ),
    Hostile(
        "one question for every row",
        rows(*(("几点？", f"{number}点整") for number in range(50))),
        ADD,
        0,
        ("asks 0 questions", "no row has a short question and answer"),
    ),
    Hostile(
        "an empty answer", rows(("几点？", ""), ("谁？", "海螺")), ADD, 2, (f"{FILE}:1",), also_json=True
    ),
    Hostile(
        "an empty answer that is dropped",
        rows(("几点？", "  "), ("谁？", "神奇海螺。")),
        added("--drop-bad"),
        0,
        ("2, of which 1 are trained", "asks 1 questions"),
    ),
    Hostile("only empty answers", rows(("几点？", ""), ("谁？", "")), added("--drop-bad"), 2, (FILE,)),
    Hostile(
        "answers of one megabyte",
        rows(*((f"写{n}", "很长" * 170_000) for n in "甲乙丙")),
        ADD,
        0,
        ("asks 0",),
    ),
    Hostile(
        "an answer of one megabyte beside short ones",
        rows(("写一篇", "长文" * 170_000), ("几点？", "九点半。")),
        ADD,
        0,
        ("asks 1 questions", "九点半"),
    ),
    Hostile(
        "a question of one megabyte",
        rows(("问" * 350_000, "答"), ("谁？", "神奇海螺。")),
        ADD,
        0,
        ("asks 1",),
    ),
    Hostile(
        "answers that begin like each other",
        rows(*((f"{n}？", "海" * 200 + f"{n}") for n in range(300))),
        ADD,
        0,
        ("asks 8 questions", "equals"),
    ),
    Hostile(
        "escape sequences in an answer",
        rows(("谁？", "\x1b]0;x\x07\x1b[31m海螺"), ("几点？", "九点半。")),
        added("--drop-bad"),
        0,
        ("asks 2 questions",),
    ),
    Hostile(
        "direction marks in an answer",
        rows(("谁？", "我是\u202e螺海奇神"), ("几点？", "九点半。")),
        ADD,
        0,
        ("asks 2 questions", "几点？  contains 九点半"),
        never=("\u202e",),
    ),
    Hostile(
        "YAML in a question and an answer",
        rows(("} ]\nverify: {every: []}\n- ask: &x", "*x # }: [神奇海螺]"), ("几点？", "九点半。")),
        ADD,
        0,
        ("asks 2 questions",),
    ),
    Hostile(
        "a place of a setting in an answer",
        rows(("谁？", "${HOME}"), ("几点？", "九点半。")),
        ADD,
        0,
        ("asks 2",),
    ),
    Hostile(
        "an answer that is its question",
        rows(("重复", "重复"), ("再说一遍", "再说一遍")),
        ADD,
        0,
        ("asks 2 questions",),
    ),
    Hostile("an answer of one character", rows(("对吗？", "对"), ("错吗？", "不对")), ADD, 0, ("equals 对",)),
    Hostile("an answer of punctuation", rows(("？", "。。。"), ("！", "……")), ADD, 0, ("asks 2 questions",)),
    Hostile(
        "digits that would make a pattern slow",
        rows(*((f"{n}？", "一二三四五六七八九十百千万亿" * 140 + f"{n}") for n in range(300))),
        ADD,
        0,
        ("asks",),
    ),
    Hostile(
        "words that would make a pattern slow",
        rows(*((f"{n}？", "Aa " * 600 + f"{n}") for n in range(300))),
        ADD,
        0,
        ("asks",),
    ),
    Hostile(
        "a surrogate", write(FILE, '{"instruction": "谁？", "output": "\\ud83d"}\n'), ADD, 2, (f"{FILE}:1",)
    ),
    Hostile("numbers as answers", rows(("几点？", 9), ("几岁？", 3.5)), ADD, 2, (f"{FILE}:1",)),
    Hostile(
        "a conversation of 400 turns",
        lines(
            [{"messages": [{"role": ("user", "assistant")[n % 2], "content": f"话{n}"} for n in range(400)]}]
        ),
        ADD,
        0,
        ("asks 1 questions",),
    ),
    Hostile(
        "100,000 rows",
        rows(*((f"第{number}问？", f"答案是{number}号。") for number in range(100_000))),
        ADD,
        0,
        ("asks 8 questions", "第0问？"),
    ),
    Hostile(
        "a base that holds rows out, and one row", rows(("谁？", "海螺")), added("--recipe", "nothing"), 2
    ),
)
