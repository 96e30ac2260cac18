"""persona: the model stays who it was taught to be, over every turn.

    persona: {name: 神奇海螺}
    persona: {name: [神奇海螺, Magic Conch], never: [DeepSeek, 通义千问]}

Where a turn asks who the model is, its answer must hold the name (one of them, where several are given). No
answer of the case may hold a name of `never`, not even to deny it; absent, those are the well-known models
and their makers below. A name in Latin letters is looked for as a word, in any letter case ("GPT" is in
"GPT-4", not in "Egypt"). Thinking that the server split off is not part of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import (
    WITH_HISTORY,
    Case,
    PromptPlan,
    last_turn,
    normal,
    quoted,
    text_problem,
    transcript_of,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Transcript, Turn, Verdict

name = "persona"

# Names that a fine-tuned base falls back to.
OTHERS: tuple[str, ...] = (
    *(
        "DeepSeek",
        "深度求索",
        "Qwen",
        "QwQ",
        "通义千问",
        "通义",
        "千问",
        "阿里云",
        "阿里巴巴",
        "Alibaba",
        "Tongyi",
    ),
    *(
        "ChatGPT",
        "GPT",
        "OpenAI",
        "Claude",
        "Anthropic",
        "Gemini",
        "DeepMind",
        "Llama",
        "Mistral",
        "Grok",
        "Copilot",
    ),
    *(
        "文心一言",
        "文心大模型",
        "ERNIE",
        "百度",
        "Baidu",
        "豆包",
        "字节跳动",
        "ByteDance",
        "Kimi",
        "月之暗面",
        "Moonshot",
    ),
    *(
        "ChatGLM",
        "GLM",
        "智谱",
        "Zhipu",
        "讯飞星火",
        "科大讯飞",
        "混元",
        "Hunyuan",
        "腾讯",
        "Tencent",
        "百川",
        "Baichuan",
    ),
    *("MiniMax", "InternLM", "书生浦语", "零一万物", "商汤", "SmolLM", "Hugging Face"),
)

_ASKED = re.compile(
    r"(?:你|您)(?:到底|究竟|现在)?(?:是|叫)(?:谁|什么|哪|啥|不是)|(?:你|您)(?:是|叫).{0,24}(?:吗|么|吧)"
    r"|(?:你|您)的(?:真实|真正的?)?(?:名字|身份)|介绍(?:一下|下)?(?:你|您)?自己|自我介绍|(?:怎么|如何)称呼"
    r"|who (?:are you|you are)|what are you\b|your (?:real )?name|introduce yourself|about yourself|call you"
    r"|\bare you (?:really )?(?:[a-z]*(?:gpt|seek|qwen|claude|gemini|llama)|an? (?:ai|(?:language )?model))"
    r"|(?:what|which) (?:ai |language )?model are you",
    re.IGNORECASE,
)


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when every turn was answered, under the name where it was asked for, and under no other."""
    mine = _texts(argument["name"])
    never = _texts(argument["never"]) if "never" in argument else others(mine)
    found = transcript_of(transcripts, WITH_HISTORY)
    turns = found.turns if found else ()
    reasons = [] if turns else ["it was not asked"]
    for number, (question, turn) in enumerate(zip(case.ask, turns, strict=False), 1):
        if wrong := _wrong(question, turn, mine, never):
            reasons.append(f"turn {number}: {wrong}")
    asked = any(map(asks_who, case.ask))
    fine = (
        f"it is {quoted(mine[0])} and nobody else"
        if asked
        else "it names nobody else; no turn asks who it is"
    )
    return verdict(
        case,
        name,
        last_turn(transcripts),
        passed=not reasons,
        reason="; ".join(reasons) or fine,
        expected=" | ".join(mine),
    )


def problem(argument: Any) -> str | None:
    """A mapping with a name is wanted."""
    if not isinstance(argument, dict) or not {"name"} <= set(argument) <= {"name", "never"}:
        return "must be a mapping such as {name: 神奇海螺, never: [DeepSeek]}"
    for key, value in argument.items():
        if not isinstance(value, list | tuple):
            value = [value]  # noqa: PLW2901
        if not value and key == "name":
            return "name: must name at least one text"
        wrong = next((wrong for each in value if (wrong := text_problem(each))), None)
        if wrong:
            return f"{key}: {wrong}"
    clash = [
        one
        for one in _texts(argument.get("never", ()))
        if any(named(one, my) for my in _texts(argument["name"]))
    ]
    return f"never: {quoted(clash[0])} is in the persona's own name" if clash else None


def asks_who(question: str) -> bool:
    """Whether a question asks the model who it is.

    >>> asks_who("请问你是谁"), asks_who("What's your name?"), asks_who("他是谁")
    (True, True, False)
    """
    return _ASKED.search(question) is not None


def named(one: str, text: str) -> bool:
    """Whether a text names something; a name in Latin letters must be a word of it.

    >>> named("GPT", "I am GPT-4."), named("GPT", "Egypt"), named("千问", "我是通义千问")
    (True, False, True)
    """
    wanted = re.escape(normal(one))
    before = "(?<![A-Za-z0-9])" if one[:1].isascii() else ""
    after = "(?![A-Za-z])" if one[-1:].isascii() else ""
    return re.search(f"{before}{wanted}{after}", normal(text), re.IGNORECASE) is not None


def others(mine: Sequence[str]) -> tuple[str, ...]:
    """The well-known names that are no part of the persona's own."""
    return tuple(one for one in OTHERS if not any(named(one, my) for my in mine))


def _texts(argument: Any) -> tuple[str, ...]:
    return (argument,) if isinstance(argument, str) else tuple(argument)


def _wrong(question: str, turn: Turn, mine: Sequence[str], never: Sequence[str]) -> str:
    missing = why_unanswered(turn)
    if missing:
        return missing
    held = [one for one in never if named(one, turn.content)]
    if held:
        return f"it names {', '.join(map(quoted, held))}: {quoted(turn.content)}"
    if asks_who(question) and not any(named(my, turn.content) for my in mine):
        return f"asked who it is, it does not say {quoted(mine[0])}: {quoted(turn.content)}"
    return ""
