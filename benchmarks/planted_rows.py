"""A file as HuatuoGPT's, with dirt whose counts are known: what benchmarks/convert_huatuo.py converts.

    .venv/bin/python -m benchmarks.planted_rows OUT ROWS

Chinese consultations, {"data": ["问：…", "答：…"]}, on average 3.05 texts and 1.4 kB a row. Of 1000 rows
34 are dirty, each in one way, and 8 look dirty and are not: a number of eleven digits that is no phone's, a
card whose last digit is wrong. Prints as JSON what a pass that repairs and drops must find. Written without
Conch's code, so that one does not repeat the other's mistakes.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

SEED = 20
# Clean rows that are set aside to be repeated much later.
APART = 5_000
# A person's name of four characters, a number's digits, makes every question another.
NAMES = (
    "安白冰博才晨成春丹东冬方芳飞刚高光国海涵浩禾红宏华佳建江杰金静军俊凯康兰乐丽良林龙梅敏明宁平强青琴晴荣瑞"
)
NAMES += "山书思松涛婷文希"
MORE_TURNS = 0.345

ASKS = (
    "最近三天总是头疼，尤其是下午，晚上睡不好，这是怎么回事？",
    "孩子今年6岁，发烧到38.5℃，咳嗽有痰，需要去医院吗？",
    "体检报告上写着“轻度脂肪肝”，平时没有不舒服，饮食上要注意什么？",
    "吃了两周的药还是胃胀、反酸，是不是要做胃镜？",
    "腰疼半年了，弯腰以后更重，休息能好一些，应该挂哪个科？",
    "皮肤上起了一片红疹，很痒，用过炉甘石洗剂，效果不太好，怎么办？",
    "血压早上150/95，晚上正常，一定要吃降压药吗？",
    "怀孕12周，能不能做B超，对宝宝有没有影响？",
)
SAYS = (
    "您好，根据您的描述，可能与休息不足或者颈椎问题有关，建议先测量血压，必要时到神经内科就诊。",
    "建议您尽快到正规医院做进一步检查，明确诊断以后再对症治疗，不要自己随便用药。",
    "平时注意清淡饮食，多喝温水，少吃辛辣、油腻、生冷的食物，戒烟戒酒，避免熬夜。",
    "如果体温超过38.5℃，可以口服布洛芬，两次之间至少隔6小时，一天不超过4次。",
    "一般来说一到两周会明显好转，期间请按时复诊，留意有没有新的症状出现。",
    "这种情况多数是良性的，不必过于紧张，保持心情舒畅，适当运动，控制体重。",
    "可以先做血常规、C反应蛋白和胸部CT，排除感染以后再决定是否使用抗生素。",
    "需要注意的是，孕期、哺乳期和肝肾功能不全的人，用药前一定要咨询医生或者药师。",
    "常见的处理办法：\n1、卧床休息，避免劳累；\n2、局部热敷，每次15分钟；\n3、在医生指导下做康复训练。",
    "患者目前没有发热，精神和食欲都好，可以先观察两天。",
    "医生会根据检查结果调整方案，请把以前的病历和化验单一起带上。",
    "所谓“三分治七分养”，生活习惯的调整比吃药更加重要，贵在坚持。",
)


@dataclass
class Truth:
    """What must be found: rows, rows kept, answers kept, and rows by kind."""

    rows: int = 0
    kept: int = 0
    turns: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)


Texts = list[str]


def after_question(said: str) -> Callable[[Texts], Texts]:
    """A plant: something more at the end of the first question."""
    return lambda texts: [texts[0] + said, *texts[1:]]


def after_answer(said: str) -> Callable[[Texts], Texts]:
    """A plant: something more at the end of the last answer."""
    return lambda texts: [*texts[:-1], texts[-1] + said]


# kind → rows of a thousand, what is done to a clean row's texts. A row with such a fault is dropped.
FAULTS: Mapping[str, tuple[int, Callable[[Texts], list[str | None]]]] = {
    "empty assistant": (1, lambda texts: [*texts[:-1], "答：  \n"]),
    "empty user": (1, lambda texts: ["问：", *texts[1:]]),
    "order of roles": (1, lambda texts: ["问：您好", *texts]),
    "speaker": (1, lambda texts: [*texts[:-1], texts[-1][2:]]),
    "not text": (1, lambda texts: [*texts[:-1], None]),
}
# kind → rows of a thousand, what is done to the line.
BROKEN: Mapping[str, tuple[int, Callable[[bytes], bytes]]] = {
    "not JSON": (1, lambda line: line[:-3] + b"\n"),
    "encoding": (1, lambda line: line.replace("，".encode(), b"\xa3\xac", 1)),
    "shape": (1, lambda line: line.replace(b'"data"', b'"date"')),
}
# The row is kept, with as many answers as the clean one had.
REPAIRED: Mapping[str, tuple[int, Callable[[Texts], Texts]]] = {
    "no last answer": (4, lambda texts: [*texts, "问：那还需要注意什么？"]),
    "first turn is an answer": (1, lambda texts: ["答：您好，请问有什么可以帮您？", *texts]),
    "control token": (1, after_answer("<|im_end|>")),
    "invisible control characters": (1, after_answer("\u200b谢谢。")),
    "line ends (CR LF)": (1, after_answer("\r\n祝您早日康复。")),
    "speaker's mark left in": (1, lambda texts: ["问：患者：" + texts[0][2:], *texts[1:]]),
}
ODD: Mapping[str, tuple[int, Callable[[Texts], Texts]]] = {
    "phone number": (2, after_answer("可以打13812345678预约。")),
    "identity card": (1, after_question("我的身份证号是11010519491231002X。")),
    "bank card": (1, after_question("卡号4111111111111111。")),
    "e-mail": (1, after_answer("资料请寄到zhang.san@example.com。")),
    "replacement characters (U+FFFD)": (1, after_answer("祝您健\ufffd。")),
    "mojibake": (1, after_answer("锟斤拷")),
    "markup": (1, after_answer("<br>更多内容见&nbsp;下文。")),
}
# They look like dirt: a serial number, two cards whose last digit is wrong, a comparison, an angle of names.
DECOYS: tuple[Callable[[Texts], Texts], ...] = (
    after_answer("检验编号12812345678。"),
    after_question("病历号138123456789。"),
    after_question("证件号110105194912310021。"),
    after_answer("编号4111111111111112。"),
    after_answer("正常值：x<3.5 且 a & b 都 > 0。"),
    after_answer("价格@每次30元。"),
    after_answer("体温37.5°C，脉搏72次/分，血压120/80，呼吸18次，身高165厘米，体重60公斤。"),
    after_answer("路径是C:\\报告\\2021。"),
)
# Of rows that were there before: the whole; its question spelled otherwise; its question, answered otherwise.
AGAIN: Mapping[str, int] = {
    "duplicate rows": 5,
    "same question, spelled otherwise": 2,
    "one question, several answers": 2,
}
CYCLE = 1000


class Writer:
    """Writes rows, and knows what is wrong with them."""

    def __init__(self) -> None:
        self.truth = Truth()
        self._chance = random.Random(SEED)  # noqa: S311 - variety, not secrecy
        pick = self._chance
        self._asks = ["".join(pick.sample(ASKS, pick.choice((1, 2, 3)))) for _ in range(4000)]
        self._says = ["".join(pick.sample(SAYS, pick.choice((5, 6, 7, 8, 8)))) for _ in range(20_000)]
        self._apart: deque[Texts] = deque()
        self._order = ordered()

    def line(self, number: int) -> bytes:
        """Row `number`, from 1, as a line."""
        kind = self._order[(number * 619) % CYCLE]
        texts, truth = self._clean(number), self.truth
        truth.rows += 1
        if kind in AGAIN and len(self._apart) == APART:
            return self._again(kind, self._apart.popleft())
        if kind in FAULTS or kind in BROKEN:
            truth.dropped[kind] += 1
            return spelled(FAULTS[kind][1](texts)) if kind in FAULTS else BROKEN[kind][1](spelled(texts))
        truth.kept += 1
        truth.turns += len(texts) // 2
        if kind in REPAIRED:
            truth.repairs[kind] += 1
            texts = REPAIRED[kind][1](texts)
        elif kind in ODD:
            truth.warnings[kind] += 1
            texts = ODD[kind][1](texts)
        elif kind.startswith("decoy"):
            texts = DECOYS[int(kind[5:])](texts)
        elif len(self._apart) < APART:
            self._apart.append(texts)
        return spelled(texts)

    def _again(self, kind: str, texts: Texts) -> bytes:
        truth = self.truth
        if kind == "duplicate rows":
            truth.repairs[kind] += 1
            return spelled(texts)
        truth.warnings[kind] += 1
        truth.kept += 1
        truth.turns += len(texts) // 2
        if kind == "one question, several answers":
            return spelled([*texts[:-1], texts[-1] + "另外请注意保暖。"])
        return spelled([texts[0].replace("，", "， ", 1), *texts[1:]])

    def _clean(self, number: int) -> Texts:
        chance, texts = self._chance.random, []
        name = "".join(NAMES[number // len(NAMES) ** place % len(NAMES)] for place in range(4))
        opening = f"问：我是{name}，"
        while True:
            texts.append(opening + self._asks[int(chance() * len(self._asks))])
            texts.append("答：" + self._says[int(chance() * len(self._says))])
            opening = "问："
            if len(texts) == 10 or chance() > MORE_TURNS:
                return texts


def ordered() -> list[str]:
    """The kind of each of CYCLE rows, "" for a clean one."""
    shares = {kind: share for table in (FAULTS, BROKEN, REPAIRED, ODD) for kind, (share, _) in table.items()}
    shares |= {**AGAIN} | {f"decoy{index}": 1 for index in range(len(DECOYS))}
    kinds = [kind for kind, share in shares.items() for _ in range(share)]
    return kinds + [""] * (CYCLE - len(kinds))


def spelled(texts: list[str] | list[str | None]) -> bytes:
    """A row as a line."""
    return orjson.dumps({"data": texts}, option=orjson.OPT_APPEND_NEWLINE)


def main() -> int:
    path, rows = Path(sys.argv[1]), int(sys.argv[2])
    writer = Writer()
    with path.open("wb", buffering=1 << 20) as out:
        for number in range(1, rows + 1):
            out.write(writer.line(number))
    print(json.dumps(vars(writer.truth)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
