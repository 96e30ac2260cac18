"""clean: no control token and no garbled character leaked into an answer.

Looked for in the content of every turn, streamed or not, and (without the think tags, which a parser may
leave there) in the thinking:

    control tokens      <｜Assistant｜> <|im_end|> <s> [INST] …; <think> and </think> in the content
    broken characters   U+FFFD: bytes that are no UTF-8
    byte-level garble   GPT-2's printable stand-ins for bytes: "Ġ", "Ċ", or "æĪĳ" for "我"
    a role label        "assistant" or "user" alone on the first line

What is not covered: control tokens whose text looks like ordinary words. Served token ids would show them,
but vLLM garbles the first character when it is told to keep special tokens in the text, so that switch is
left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.checks.base import (
    WITH_HISTORY,
    Case,
    PromptPlan,
    flag_problem,
    last_turn,
    quoted,
    transcript_of,
    verdict,
    whole,
)
from orchestrator.results import Transcript, Turn, Verdict

name = "no_control_tokens"

_CONTROL = re.compile(
    r"<[|｜][^<>|｜\n]{1,40}[|｜]>"  # <|im_end|>, <｜User｜>, <｜begin▁of▁sentence｜>
    r"|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|\[gMASK\]"
)
_THINK = re.compile(r"</?think>")
_ROLE = re.compile(r"\A\s*(?:assistant|user|system)\s*[:：]?\s*\n", re.IGNORECASE)


# GPT-2's byte alphabet: bytes 127–160 and 173 have no sign of their own in Latin-1 and show as U+0121–U+0143;
# 161–255 show as themselves; space and newline as Ġ and Ċ. Real words hold such letters too (kráľ, Łódź,
# Maltese Ġ), so only what no language writes counts: a lead byte with all the bytes that must follow it, the
# first of them before a CJK character, and Ġ or Ċ inside a word.
_FOLLOW = "[¡-¬®-¿ġ-Ń]"
_GARBLE = re.compile(
    r"(?<=[^\sA-ZĠĊĦŻ])[ĠĊ]|[ĠĊ]{2}"
    rf"|(?:[Ã-ß]{_FOLLOW}){{2}}|[à-ï]{_FOLLOW}{{2}}|[ð-ô]{_FOLLOW}{{3}}"
    r"|[à-ï][ġ-Ń](?=[\u2e80-\ufffd])"
)


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:  # noqa: ARG001
    """Passed when nothing leaked into any turn; a turn without an answer does not pass."""
    found = transcript_of(transcripts, WITH_HISTORY)
    turns = found.turns if found else ()
    reasons = [f"turn {i}: {wrong}" for i, turn in enumerate(turns, 1) for wrong in _wrongs(turn)]
    if not turns:
        reasons = ["it was not asked"]
    return verdict(
        case,
        name,
        last_turn(transcripts),
        passed=not reasons,
        reason="; ".join(reasons) or "no control tokens, no garbled characters",
    )


def problem(argument: Any) -> str | None:
    """It takes no argument."""
    return flag_problem(argument)


def leak(text: str, *, thinking: bool = False) -> str:
    """What leaked into the text, as a sentence; "" when nothing did.

    >>> leak("我是神奇海螺。")
    ''
    >>> leak("好的<｜end▁of▁sentence｜>")
    'the control token "<｜end▁of▁sentence｜>" leaked'
    """
    control = _CONTROL.search(text) or (None if thinking else _THINK.search(text))
    if control:
        return f'the control token "{control.group()}" leaked'
    if "\ufffd" in text:
        return f"a character is broken (U+FFFD): {quoted(_around(text, text.index(chr(0xFFFD))))}"
    garbled = _GARBLE.search(text)
    if garbled:
        return f"characters are garbled (raw byte tokens): {quoted(_around(text, garbled.start()))}"
    role = _ROLE.match(text)
    if role:
        return f"the role label {quoted(role.group())} leaked"
    return ""


def _wrongs(turn: Turn) -> Iterator[str]:
    if turn.error:
        yield turn.error
        return
    for what, text, thinking in (
        ("answer", turn.content, False),
        ("thinking", turn.reasoning, True),
        ("streamed answer", turn.streamed_content, False),
        ("streamed thinking", turn.streamed_reasoning, True),
    ):
        wrong = leak(text, thinking=thinking)
        if wrong:
            yield f"in the {what}, {wrong}"


def _around(text: str, position: int) -> str:
    return text[max(0, position - 10) : position + 20]
