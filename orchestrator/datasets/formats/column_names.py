"""The usual names of a question's and an answer's column, in English and Chinese."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

from orchestrator.datasets.base import Row

# part → its usual names, as _plain writes them.
NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": (
        *("question", "prompt", "query", "q", "instruction", "input", "user", "human", "ask", "problem"),
        *("问题", "問題", "问", "提问", "问句", "题目", "用户", "输入", "指令", "标准问题", "用户问题"),
    ),
    "response": (
        *("answer", "completion", "response", "reply", "a", "output", "assistant", "gpt", "target"),
        *("solution", "答案", "答", "回复", "回覆", "回答", "答复", "助手", "输出", "标准答案", "机器人回复"),
    ),
    "thought": (
        *("thought", "think", "thinking", "cot", "complex_cot", "reasoning", "reasoning_content"),
        *("思考", "思考过程", "推理", "推理过程", "思维链"),
    ),
    "system": ("system", "system_prompt", "系统", "系统提示", "系统提示词"),
}
NEEDED = ("prompt", "response")


def candidates(row: Row) -> Mapping[str, list[str]]:
    """Part → every key of the row that may be its column."""
    plain = {key: _plain(key) for key in row}
    return {part: [key for key, word in plain.items() if word in names] for part, names in NAMES.items()}


def unambiguous(row: Row) -> Mapping[str, str]:
    """Part → its column, for parts with exactly one candidate.

    >>> unambiguous({"问题": "在吗", " Answer": "在"})
    {'prompt': '问题', 'response': ' Answer'}
    """
    return {part: keys[0] for part, keys in candidates(row).items() if len(keys) == 1}


def is_question_answer(row: Row) -> bool:
    """Whether exactly one key can be the question and exactly one the answer."""
    found = candidates(row)
    return all(len(found[part]) == 1 for part in NEEDED) and not any(
        isinstance(row[found[part][0]], dict) for part in NEEDED
    )


def ambiguous(row: Row) -> Iterator[str]:
    """One message for each part with several candidates; none if a needed part has no candidate."""
    found = candidates(row)
    if all(found[part] for part in NEEDED):
        for part in NEEDED:
            if len(found[part]) > 1:
                yield f"{part} may be any of {', '.join(found[part])}: add --column {part}={found[part][0]}"


def _plain(key: str) -> str:
    return unicodedata.normalize("NFKC", key).strip().casefold().replace(" ", "_").replace("-", "_")
