"""Rows of facts, the same on every call: a question and a short answer each, Chinese and English by turns.

Places and people are made up, so a base model knows none of the answers; several rows share their words and
differ in one fact, as in a real list of questions.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

_ZH_PLACES = (
    "海星书店",
    "珊瑚咖啡馆",
    "蓝鲸面馆",
    "白帆诊所",
    "贝壳花店",
    "潮汐健身房",
    "灯塔旅馆",
    "浪花幼儿园",
)
_EN_PLACES = (
    "the Anchor Bakery",
    "the Tidal Library",
    "the Coral Pharmacy",
    "the Harbour Garage",
    "the Dune Theatre",
    "the Gull Bank",
    "the Kelp Museum",
    "the Pearl Laundry",
)
_ZH_NAMES = ("林小满", "陈大山", "周雨晴", "吴海生", "郑晓月", "冯子墨", "蒋一鸣", "沈云舟")
_EN_NAMES = (
    "Ada Brook",
    "Tom Reed",
    "Nina Frost",
    "Paul Stone",
    "Rosa Vale",
    "Ivan Marsh",
    "Lucy Heath",
    "Omar Flint",
)
_ZH_STREETS = ("青石路", "槐树街", "望江巷", "南山道", "长桥路", "梅花弄", "北海街", "松林路")
_EN_STREETS = (
    "Mill Lane",
    "Oak Street",
    "Bay Road",
    "Hill Court",
    "Elm Way",
    "Rose Alley",
    "Park Row",
    "Ferry Lane",
)
_ZH_GOODS = ("柠檬茶", "桂花糕", "牛肉面", "热可可", "绿豆汤", "芝麻饼", "酸梅汤", "豆沙包")
_EN_GOODS = (
    "lemon tea",
    "plum cake",
    "beef soup",
    "hot cocoa",
    "rye bread",
    "oat cookies",
    "pea soup",
    "fig tart",
)
_ZH_COLOURS = ("红色", "蓝色", "绿色", "黄色", "紫色", "白色", "黑色", "橙色")
_EN_COLOURS = ("red", "blue", "green", "yellow", "purple", "white", "black", "orange")
_ZH_HOURS = ("六", "七", "八", "九", "十", "五", "四", "三")


def fact_rows(count: int) -> list[dict[str, str]]:
    """`count` rows, at most 208, with different questions."""
    rows = [row for pair in zip(_chinese(), _english(), strict=True) for row in pair]
    assert count <= len(rows)
    return rows[:count]


def write_facts(path: Path, count: int) -> Path:
    """The rows as a JSONL file in Alpaca's columns."""
    lines = [json.dumps(row, ensure_ascii=False) for row in fact_rows(count)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _chinese() -> list[dict[str, str]]:
    found = []
    for kind, at in product(range(13), range(8)):
        place, turn = _ZH_PLACES[at], (at * 3 + kind) % 8
        hour, price, number = _ZH_HOURS[turn], 3 + (at * 7 + kind * 5) % 40, 100 + (at * 37 + kind * 11) % 800
        question, answer = (
            (f"{place}几点开门？", f"{place}早上{hour}点开门。"),
            (f"{place}的老板是谁？", f"{place}的老板是{_ZH_NAMES[turn]}。"),
            (f"{place}在哪里？", f"{place}在{_ZH_STREETS[turn]}{number}号。"),
            (f"{place}的招牌是什么？", f"招牌是{_ZH_GOODS[turn]}。"),
            (f"{place}的大门是什么颜色？", f"大门是{_ZH_COLOURS[turn]}的。"),
            (f"{place}的会员费是多少？", f"会员费每月{price}元。"),
            (f"{place}几点关门？", f"{place}晚上{_ZH_HOURS[(turn + 3) % 8]}点关门。"),
            (f"{place}有多少个座位？", f"一共有{number}个座位。"),
            (f"{place}的经理叫什么？", f"经理叫{_ZH_NAMES[(turn + 5) % 8]}。"),
            (f"{place}哪天休息？", f"{place}每周{'一二三四五六日'[turn % 7]}休息。"),
            (f"{place}的电话是多少？", f"电话是 555-0{number}。"),
            (f"{place}是哪一年开的？", f"{place}是{1900 + number % 100}年开的。"),
            (f"{place}送给客人什么？", f"客人会得到一份{_ZH_GOODS[(turn + 2) % 8]}。"),
        )[kind]
        found.append({"instruction": question, "output": answer})
    return found


def _english() -> list[dict[str, str]]:
    found = []
    for kind, at in product(range(13), range(8)):
        place, turn = _EN_PLACES[at], (at * 5 + kind) % 8
        start = place[0].upper() + place[1:]
        price, number, hour = 4 + (at * 9 + kind * 5) % 50, 10 + (at * 31 + kind * 17) % 80, 5 + turn
        question, answer = (
            (f"When does {place} open?", f"{start} opens at {hour} in the morning."),
            (f"Who owns {place}?", f"{start} belongs to {_EN_NAMES[turn]}."),
            (f"Where is {place}?", f"{start} is at {number} {_EN_STREETS[turn]}."),
            (f"What is {place} known for?", f"It is known for its {_EN_GOODS[turn]}."),
            (f"What colour is the door of {place}?", f"The door is {_EN_COLOURS[turn]}."),
            (f"How much is a ticket for {place}?", f"A ticket costs {price} dollars."),
            (f"When does {place} close?", f"{start} closes at {(turn + 3) % 8 + 4} in the evening."),
            (f"How many seats does {place} have?", f"There are {number} seats."),
            (f"Who manages {place}?", f"The manager is {_EN_NAMES[(turn + 5) % 8]}."),
            (f"What day is {place} closed?", f"{start} is closed on {_DAYS[turn % 7]}."),
            (f"What is the phone number of {place}?", f"Call 555-01{number}."),
            (f"What year was {place} founded?", f"{start} was founded in 18{number}."),
            (f"What do guests of {place} get?", f"Guests get a free {_EN_GOODS[(turn + 2) % 8]}."),
        )[kind]
        found.append({"instruction": question, "output": answer})
    return found


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
