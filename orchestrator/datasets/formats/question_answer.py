"""question_answer: {"question": "…", "answer": "…"} under any of their usual names, in English or Chinese.

A table's columns, mostly. What they are called is decided once for a file; where a part has two candidates
(both `question` and `prompt`) nothing is guessed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

from orchestrator.datasets.base import (
    SFT,
    SYSTEM,
    Conversation,
    Row,
    optional_text,
    refuse_unread,
    single_turn,
)

name = "question_answer"
purpose = SFT
shape = '{"question": "…", "answer": "…"}'
columns: Mapping[str, str] = {
    "prompt": "question",
    "response": "answer",
    "thought": "thought",
    "system": "system",
}

# part → what it is called, as _plain spells it.
NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": (
        *("question", "prompt", "query", "q", "instruction", "input", "user", "human", "ask", "problem"),
        *("问题", "問題", "问", "提问", "问句", "题目", "用户", "输入", "指令", "标准问题", "用户问题"),
    ),
    "response": (
        *(
            "answer",
            "completion",
            "response",
            "reply",
            "a",
            "output",
            "assistant",
            "gpt",
            "target",
            "solution",
        ),
        *("答案", "答", "回复", "回覆", "回答", "答复", "助手", "输出", "标准答案", "机器人回复"),
    ),
    "thought": (
        *("thought", "think", "thinking", "cot", "complex_cot", "reasoning", "reasoning_content"),
        *("思考", "思考过程", "推理", "推理过程", "思维链"),
    ),
    "system": ("system", "system_prompt", "系统", "系统提示", "系统提示词"),
}
NEEDED = ("prompt", "response")


def sniff(row: Row) -> bool:
    """Whether one key can be the question, and one the answer."""
    found = candidates(row)
    return all(len(found[part]) == 1 for part in NEEDED) and not any(
        isinstance(row[found[part][0]], dict) for part in NEEDED
    )


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """The question and its answer, after the system prompt and with the thought where there are such."""
    refuse_unread(row, "images", "videos", "audios", "tools", "chosen", "rejected")
    system = optional_text(row, columns["system"])
    first: Conversation = [{"role": SYSTEM, "content": system}] if system else []
    return first + single_turn(row, columns)


def resolve(row: Row) -> Mapping[str, str]:
    """What each part is called in a file with rows like this one, where one key alone can be meant.

    >>> resolve({"问题": "在吗", " Answer": "在"})
    {'prompt': '问题', 'response': ' Answer'}
    """
    return {part: keys[0] for part, keys in candidates(row).items() if len(keys) == 1}


def candidates(row: Row) -> Mapping[str, list[str]]:
    """Every key that may be a part, by part."""
    plain = {key: _plain(key) for key in row}
    return {part: [key for key, word in plain.items() if word in names] for part, names in NAMES.items()}


def ambiguous(row: Row) -> Iterator[str]:
    """Why nothing was guessed: each part that several keys can be; nothing where a part has none at all."""
    found = candidates(row)
    if all(found[part] for part in NEEDED):
        for part in NEEDED:
            if len(found[part]) > 1:
                yield f"{part} may be any of {', '.join(found[part])}: say --column {part}={found[part][0]}"


def _plain(key: str) -> str:
    return unicodedata.normalize("NFKC", key).strip().casefold().replace(" ", "_").replace("-", "_")
