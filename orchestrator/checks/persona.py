"""persona: the model keeps its trained identity over every turn.

    persona: {name: 神奇海螺}
    persona: {name: [神奇海螺, Magic Conch], never: [DeepSeek, 通义千问]}

Where a turn asks who the model is, its answer must contain the name (one of them, if there are several). No
answer of the case may contain a name of `never`, not even to deny it; the default of `never` is the list of
well-known models and their makers below. A name in Latin letters is matched as a word, in any letter case
("GPT" is in "GPT-4", not in "Egypt"). Thinking that the server split off is not part of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NotRequired, TypedDict

from orchestrator.checks.base import (
    Case,
    EveryTurnCheck,
    listed,
    normal,
    quoted,
    text_problem,
    texts_of,
    why_unanswered,
)
from orchestrator.results import Sentence, Turn

# Names that a fine-tuned base falls back to.
_NAMES = """
    DeepSeek, 深度求索, Qwen, QwQ, 通义千问, 通义, 千问, 阿里云, 阿里巴巴, Alibaba, Tongyi,
    ChatGPT, GPT, OpenAI, Claude, Anthropic, Gemini, DeepMind, Llama, Mistral, Grok, Copilot,
    文心一言, 文心大模型, ERNIE, 百度, Baidu, 豆包, 字节跳动, ByteDance, Kimi, 月之暗面,
    Moonshot, ChatGLM, GLM, 智谱, Zhipu, 讯飞星火, 科大讯飞, 混元, Hunyuan, 腾讯, Tencent,
    百川, Baichuan, MiniMax, InternLM, 书生浦语, 零一万物, 商汤, SmolLM, Hugging Face
"""
OTHERS: tuple[str, ...] = tuple(name.strip() for name in _NAMES.split(","))

_ASKED = (
    r"(?i)(?:你|您)(?:到底|究竟|现在)?(?:是|叫)(?:谁|什么|哪|啥|不是)|(?:你|您)(?:是|叫).{0,24}(?:吗|么|吧)"
    r"|(?:你|您)的(?:真实|真正的?)?(?:名字|身份)|介绍(?:一下|下)?(?:你|您)?自己|自我介绍|(?:怎么|如何)称呼"
    r"|who (?:are you|you are)|what are you\b|your (?:real )?name|introduce yourself|about yourself|call you"
    r"|\bare you (?:really )?(?:[a-z]*(?:gpt|seek|qwen|claude|gemini|llama)|an? (?:ai|(?:language )?model))"
    r"|(?:what|which) (?:ai |language )?model are you"
)


class PersonaArgument(TypedDict):
    """The persona's names, and the names that it must not use."""

    name: str | list[str]
    never: NotRequired[str | list[str]]


class Persona(EveryTurnCheck[PersonaArgument]):
    """Every turn is answered, under the name where it asks for one, and under no other."""

    name = "persona"

    def expected(self, argument: PersonaArgument) -> str:
        return " | ".join(texts_of(argument["name"]))

    def faults(self, question: str, turn: Turn, argument: PersonaArgument) -> Iterable[Sentence]:
        names, answer = texts_of(argument["name"]), quoted(turn.content)
        never = texts_of(argument["never"]) if "never" in argument else others(names)
        if missing := why_unanswered(turn):
            yield missing
        elif found := listed(one for one in never if named(one, turn.content)):
            yield Sentence(f"it names {found}: {answer}", f"提到了 {found}：{answer}")
        elif asks_who(question) and not any(named(name, turn.content) for name in names):
            name = quoted(names[0])
            yield Sentence(
                f"asked who it is, it does not say {name}: {answer}", f"被问到身份时没有说 {name}：{answer}"
            )

    def success(self, case: Case, argument: PersonaArgument) -> Sentence:
        if not any(map(asks_who, case.ask)):
            return Sentence(
                "it uses no other name; no turn asks who it is", "没有提到其他名字；没有一轮询问身份"
            )
        name = quoted(texts_of(argument["name"])[0])
        return Sentence(f"it is {name} and nobody else", f"始终自称 {name}")

    def problem(self, argument: object) -> str | None:
        if not isinstance(argument, dict) or not {"name"} <= set(argument) <= {"name", "never"}:
            return "must be a mapping such as {name: 神奇海螺, never: [DeepSeek]}"
        for key, value in argument.items():
            texts = value if isinstance(value, list | tuple) else [value]
            if not texts and key == "name":
                return "name: must name at least one text"
            if wrong := next((wrong for each in texts if (wrong := text_problem(each))), None):
                return f"{key}: {wrong}"
        names = texts_of(argument["name"])
        for other in texts_of(argument.get("never", ())):
            if any(named(other, name) for name in names):
                return f"never: {quoted(other)} is in the persona's own name"
        return None


CHECK = Persona()


def asks_who(question: str) -> bool:
    """Whether a question asks the model who it is.

    >>> asks_who("请问你是谁"), asks_who("What's your name?"), asks_who("他是谁")
    (True, True, False)
    """
    return re.search(_ASKED, question) is not None


def named(one: str, text: str) -> bool:
    """Whether a text contains a name; one in Latin letters must be a word of it.

    >>> named("GPT", "I am GPT-4."), named("GPT", "Egypt"), named("千问", "我是通义千问")
    (True, False, True)
    """
    pattern = re.escape(normal(one))
    before = "(?<![A-Za-z0-9])" if one[:1].isascii() else ""
    after = "(?![A-Za-z])" if one[-1:].isascii() else ""
    return re.search(f"{before}{pattern}{after}", normal(text), re.IGNORECASE) is not None


def others(names: Sequence[str]) -> tuple[str, ...]:
    """The well-known names that are not part of the persona's own."""
    return tuple(one for one in OTHERS if not any(named(one, name) for name in names))
