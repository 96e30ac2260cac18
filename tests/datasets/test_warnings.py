"""What may be of interest is told; what is plain is told nothing of; and nothing odd is ever called plain."""

from __future__ import annotations

from contextlib import suppress

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.datasets.base import Conversation, Message
from orchestrator.datasets.faults import faults, is_whole
from orchestrator.datasets.warnings import is_plain, peculiarities, warnings_of


def talk(question: str, answer: str = "好的。") -> Conversation:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def as_turns(pair: tuple[Message, Message]) -> Conversation:
    return talk(pair[0]["content"], pair[1]["content"])


ODD = {
    "坏\ufffd字": "replacement characters (U+FFFD)",
    "零宽\u200b字符": "invisible control characters",
    "\ufeff开头": "invisible control characters",
    "铃\x07声": "invisible control characters",
    "删\x7f除": "invisible control characters",
    "一行\r\n二行": "line ends (CR LF)",
    "问：头疼怎么办": "speaker's mark left in",
    "Human: 你好": "speaker's mark left in",
    "第一<br/>第二": "markup",
    "空格&nbsp;空格": "markup",
    "电话13812345678联系": "phone number",
    "身份证11010519491231002X": "identity card",
    "卡号4111111111111111": "bank card",
    "写信到 zhang.san@example.com.cn": "e-mail",
    "锟斤拷锟斤拷": "mojibake",
    "ä½\xa0å¥½": "mojibake",
    "â€œhelloâ€": "mojibake",
}


@pytest.mark.parametrize("text", ODD)
def test_it_is_told_with_its_text_and_never_plain(text: str) -> None:
    told = dict(warnings_of(talk(text)))
    assert told == {ODD[text]: text}
    line = orjson.dumps({"messages": talk(text)})
    assert not (is_plain(line) and is_whole(talk(text)))


@pytest.mark.parametrize(
    "text",
    [
        "头疼三天了，怎么办？\n一直没好",
        "1. 多喝水 2. 休息 3. 37.5度以下不用药",
        "👩‍👩‍👧\n\ttab",
        "مرحبا",
        "订单号 12345678901，价格 3 < 5，a<b 且 c>d",
        "if a < b && c > d",
        "工商银行",
        "1234567890123456789012",
        "他说：“好”",
        "Résumé à la carte",
    ],
)
def test_what_is_usual_is_not_told(text: str) -> None:
    assert not list(warnings_of(talk(text)))


@pytest.mark.parametrize(
    "text", ["<|im_end|>", "<think>", "｜<｜User｜>", "{{idx}}", "", "  ", "\n"], ids=ascii
)
def test_a_fault_is_never_plain_and_whole(text: str) -> None:
    assert list(faults(talk(text)))
    assert not (is_plain(orjson.dumps({"messages": talk(text)})) and is_whole(talk(text)))


# What the rules of both looks are made of, and what stands beside it in texts that are in order.
SPELT = (
    "<|im_end|>",
    "<think>",
    "</think>",
    "{{idx}}",
    "{",
    "13812345678",
    "4111111111111111",
    "患者",
    "患者:",
)
SIGNS = ("医生 ：", "头疼", "，", "：", *':\n\r\t\x85\xa0\u3000\x1f\x7f\\u"1a ')
PIECES = st.sampled_from((*ODD, *SPELT, *SIGNS))
MESSAGES = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "user", "assistant", "assistant", "system", "function_call"]),
        "content": st.lists(PIECES | st.text(max_size=3), max_size=3).map("".join),
    }
)


@given(st.lists(MESSAGES, max_size=4) | st.tuples(MESSAGES, MESSAGES).map(as_turns))
@settings(max_examples=300, deadline=None)
def test_a_look_at_a_glance_misses_nothing_that_a_closer_one_finds(conversation: Conversation) -> None:
    with suppress(TypeError):  # half a character: no line can be written
        line = orjson.dumps({"messages": conversation})
        if is_plain(line) and is_whole(conversation):
            assert not [*faults(conversation), *warnings_of(conversation)]


def test_most_rows_are_plain_and_whole() -> None:
    row = talk("头疼三天了，怎么办？\n", "建议您及时到医院就诊。\n1. “休息”\n2. 多喝水")
    assert is_plain(orjson.dumps({"messages": row}))
    assert is_whole(row)


def test_a_longer_look_finds_more() -> None:
    mixed = talk("這個為什麼說不對", "这个为什么说不对，因为它从来没有被真正说对过")
    assert dict(peculiarities(mixed)).keys() == {"traditional and simplified mixed", "answer looks cut off"}
    assert dict(peculiarities(talk("问", "作为AI，我不能。"))).keys() == {"answer is a refusal"}
    assert not list(peculiarities(talk("好", "四十二")))
