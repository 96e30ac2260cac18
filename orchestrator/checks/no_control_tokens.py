"""no_control_tokens: no control token and no garbled character leaked into an answer.

Searched for in the content of every turn, streamed or not, and (without the think tags, which a parser may
leave there) in the thinking:

    control tokens      <｜Assistant｜> <|im_end|> <s> [INST] …; <think> and </think> in the content
    broken characters   U+FFFD: bytes that are not UTF-8
    byte-level garble   GPT-2's printable stand-ins for bytes: "Ġ", "Ċ", or "æĪĳ" for "我"
    a role label        "assistant" or "user" alone on the first line

Not covered: control tokens whose text looks like ordinary words. Served token ids would show them, but vLLM
garbles the first character if it is set to keep special tokens in the text, so that setting stays off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestrator.checks.base import Case, EveryTurnCheck, error_of, quoted
from orchestrator.results import Sentence, Turn

_CONTROL = (
    r"<[|｜][^<>|｜\n]{1,40}[|｜]>"  # <|im_end|>, <｜User｜>, <｜begin▁of▁sentence｜>
    r"|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|\[gMASK\]"
)
_THINK = "</?think>"
_ROLE = r"(?i)\A\s*(?:assistant|user|system)\s*[:：]?\s*\n"


# GPT-2's byte alphabet: bytes 127–160 and 173 have no printable Latin-1 character and show as U+0121–U+0143;
# 161–255 show as themselves; space and newline as Ġ and Ċ. Real words hold such letters too (kráľ, Łódź,
# Maltese Ġ), so only what no language writes counts: a lead byte with all the bytes that must follow it, the
# first of them before a CJK character, and Ġ or Ċ inside a word.
_FOLLOW = "[¡-¬®-¿ġ-Ń]"
_GARBLE = (
    r"(?<=[^\sA-ZĠĊĦŻ])[ĠĊ]|[ĠĊ]{2}"
    rf"|(?:[Ã-ß]{_FOLLOW}){{2}}|[à-ï]{_FOLLOW}{{2}}|[ð-ô]{_FOLLOW}{{3}}"
    r"|[à-ï][ġ-Ń](?=[\u2e80-\ufffd])"
)

_PARTS = (
    ("answer", "回答", "content", False),
    ("thinking", "思考", "reasoning", True),
    ("streamed answer", "流式回答", "streamed_content", False),
    ("streamed thinking", "流式思考", "streamed_reasoning", True),
)


class NoControlTokens(EveryTurnCheck[bool]):
    """Nothing leaked into any turn; a missing answer fails."""

    name = "no_control_tokens"

    def faults(self, question: str, turn: Turn, argument: bool) -> Iterable[Sentence]:
        if turn.error:
            yield error_of(turn)
            return
        for en, zh, field, thinking in _PARTS:
            if fault := leak(getattr(turn, field), thinking=thinking):
                yield Sentence(f"in the {en}, {fault}", f"{zh}中{fault.zh}")

    def success(self, case: Case, argument: bool) -> Sentence:
        return Sentence("no control tokens, no garbled characters", "没有控制 token，没有乱码")


CHECK = NoControlTokens()


def leak(text: str, *, thinking: bool = False) -> Sentence:
    """What leaked into the text; "" if nothing did.

    >>> leak("我是神奇海螺。")
    ''
    >>> leak("好的<｜end▁of▁sentence｜>")
    'the control token "<｜end▁of▁sentence｜>" leaked'
    """
    if control := re.search(_CONTROL, text) or (None if thinking else re.search(_THINK, text)):
        token = f'"{control.group()}"'
        return Sentence(f"the control token {token} leaked", f"混入了控制 token {token}")
    if "\ufffd" in text:
        around = quoted(_around(text, text.index("\ufffd")))
        return Sentence(f"a character is broken (U+FFFD): {around}", f"有损坏的字符（U+FFFD）：{around}")
    if garbled := re.search(_GARBLE, text):
        around = quoted(_around(text, garbled.start()))
        return Sentence(f"garbled characters (raw byte tokens): {around}", f"有乱码（字节 token）：{around}")
    if role := re.match(_ROLE, text):
        label = quoted(role.group())
        return Sentence(f"the role label {label} leaked", f"混入了角色标签 {label}")
    return Sentence()


def _around(text: str, position: int) -> str:
    return text[max(0, position - 10) : position + 20]
