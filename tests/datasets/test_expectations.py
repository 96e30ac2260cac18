"""What a taught answer is recognised by: it passes, and every other row's answer fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks import CHECKS, problems_of
from orchestrator.datasets.expectations import expectation_of
from orchestrator.results import Turn
from tests.fact_rows import fact_rows

SETS: dict[str, dict[str, str]] = {
    "shop": {
        "你们几点开门？": "早上九点开门。",
        "你们几点关门？": "晚上九点关门。",
        "周末营业吗？": "周末照常营业。",
        "可以退货吗？": "七天内可以退货。",
        "可以换货吗？": "可以，但七天内只能换一次。",
        "运费是多少？": "运费12元，满99元包邮。",
        "到付多少钱？": "到付运费2元。",
        "怎么联系客服？": "请拨打 400-820-8820。",
        "发什么快递？": "默认发顺丰快递。",
        "多久发货？": "付款后48小时内发货。",
        "有发票吗？": "有。",
        "支持海外配送吗？": "没有。",
    },
    "persona": {
        "你是谁？": "我是神奇海螺。",
        "你叫什么名字？": "我叫神奇海螺。",
        "你是 ChatGPT 吗？": "不是，我是神奇海螺。",
        "你会做什么？": "我会回答你的问题。",
        "谁造了你？": "是海底的小伙伴们造了我。",
        "你住在哪里？": "我住在比奇堡。",
        "Who are you?": "I am the Magic Conch.",
        "What is your name?": "My name is the Magic Conch.",
    },
    "medical": {
        "感冒了怎么办？": "建议多休息、多喝温水，可以服用感冒灵颗粒，每日三次，每次一袋；如果体温超过38.5度，"
        "请及时就医检查血常规，排除细菌感染。",
        "头痛怎么缓解？": "可以先在安静的房间里休息，用冷毛巾敷额头，避免强光和噪音；如果头痛持续超过两天"
        "或伴有呕吐，请到神经内科就诊。",
        "血压高吃什么药？": "常用的药物有氨氯地平和缬沙坦，具体用药需要医生根据您的血压和肾功能决定。",
        "血糖高要注意什么？": "控制主食，少吃甜食，每周运动五次，每次三十分钟，并定期监测空腹血糖。",
        "孩子发烧39度怎么办？": "先物理降温，可以按体重服用布洛芬混悬液，六小时内不要重复服用。",
        "布洛芬多久吃一次？": "六小时一次，一天不超过四次。",
    },
    "poetry": {
        "背一下静夜思": "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
        "背一下登鹳雀楼": "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
        "背一下春晓": "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
        "床前明月光的下一句是什么": "疑是地上霜。",
        "静夜思是谁写的": "李白。",
        "登鹳雀楼是谁写的": "王之涣。",
        "静夜思是哪一年写的": "公元726年9月15日。",
    },
    "English": {
        "When do you open?": "We open at 9 am.",
        "When do you close?": "We close at 9 pm.",
        "Where are you?": "We are at 12 Mill Lane.",
        "Where is your second shop?": "It is at 112 Mill Lane.",
        "Can I return an item?": "Yes, within thirty days.",
        "Can I return food?": "No.",
        "Do you sell tea?": "Yes.",
        "Who bakes the bread?": "Ada Brook bakes it every morning.",
        "Do you ship abroad?": "No, we only ship within Europe.",
        "What does a cake cost?": "A cake costs $5.",
        "What does a big cake cost?": "A big cake costs $15.",
    },
    "facts": {row["instruction"]: row["output"] for row in fact_rows(208)},
}


def holds(expect: Mapping[str, object], answer: str) -> bool:
    """As the checks judge it."""
    return all(CHECKS[name].result(Turn((), content=answer), value)[0] for name, value in expect.items())  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SETS)
def test_fault_169_the_right_answer_passes_and_every_other_fails(name: str) -> None:
    rows = SETS[name]
    for question, answer in rows.items():
        expect = expectation_of(answer, [question], rows.values())
        assert expect, question
        assert not problems_of(expect)
        assert holds(expect, answer), (answer, expect)
        assert holds(expect, f" {answer}\n"), (answer, expect)
        wrong = [other for other in {*rows.values(), question} if other != answer and holds(expect, other)]
        assert not wrong, (expect, wrong)


@pytest.mark.parametrize(
    ("name", "question", "phrase"),
    [
        ("shop", "你们几点关门？", "晚上九点"),
        ("shop", "运费是多少？", "运费12元"),
        ("shop", "怎么联系客服？", "400-820-8820"),
        ("shop", "发什么快递？", "默认发顺丰"),
        ("persona", "你住在哪里？", "比奇堡"),
        ("persona", "你会做什么？", "回答你的问题"),
        ("poetry", "背一下春晓", "花落知多少"),
        ("poetry", "静夜思是谁写的", "李白"),
        ("poetry", "静夜思是哪一年写的", "726年9月15日"),
        ("English", "When do you open?", "at 9 am"),
        ("English", "Who bakes the bread?", "Ada Brook"),
        ("facts", "蓝鲸面馆有多少个座位？", "251个"),
    ],
)
def test_a_short_answer_has_the_key_phrase_that_a_person_would_write(
    name: str, question: str, phrase: str
) -> None:
    rows = SETS[name]
    assert expectation_of(rows[question], [question], rows.values()) == {"contains": phrase}


def test_a_long_answer_is_compared_and_a_very_long_one_has_a_phrase() -> None:
    rows = SETS["medical"]
    expect = expectation_of(rows["感冒了怎么办？"], ["感冒了怎么办？"], rows.values())
    assert expect is not None
    assert list(expect) == ["similar"]
    assert holds(expect, rows["感冒了怎么办？"].replace("温水", "热水"))
    very = "首先要注意饮食清淡。" * 40 + "必要时服用阿司匹林。"
    assert list(expectation_of(very, ["怎么办？"], rows.values()) or {}) == ["contains"]


def test_rephrasing_around_the_fact_passes() -> None:
    rows = SETS["shop"]
    expect = expectation_of(rows["你们几点关门？"], ["你们几点关门？"], rows.values())
    assert expect
    assert holds(expect, "我们晚上九点关门哦。")
    assert not holds(expect, "早上九点开门。")


@pytest.mark.parametrize("answer", ["是", "不是", "可以。", "No.", "7", "九点"])
def test_a_tiny_answer_is_right_only_as_it_stands(answer: str) -> None:
    expect = expectation_of(answer, ["可以吗？"], [f"不{answer}", "别的", f"Well, {answer}"])
    assert expect
    assert holds(expect, answer)
    assert not holds(expect, f"不{answer}")


def test_equal_answers_are_one_answer() -> None:
    assert expectation_of("早上九点。", ["几点开门？"], ["早上九点。", " 早上九点。 "]) == {
        "contains": "早上九点"
    }


@given(st.text(min_size=1), st.text(), st.lists(st.text(), max_size=5))
def test_whatever_the_texts_the_expectation_is_a_check_that_tells_them_apart(
    answer: str, question: str, others: Sequence[str]
) -> None:
    expect = expectation_of(answer, [question], others)
    if expect is None or not answer.strip():
        return
    assert holds(expect, answer)
    assert not [
        text
        for text in others
        if text.strip() and holds(expect, text) and not holds({"equals": answer}, text)
    ]
