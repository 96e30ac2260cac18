"""The usual names of a question's and an answer's column, in English and Chinese."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterator, Mapping

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
# The two answers of a pair, and what says of one answer whether it is good.
CHOSEN = (
    *("chosen", "response_chosen", "chosen_response", "good", "better", "preferred", "accepted"),
    *("good_answer", "better_answer", "chosen_messages"),
    *("好", "更好", "较好", "好回答", "好答案", "好的回答", "好的答案", "更好的回答", "采纳"),
)
REJECTED = (
    *("rejected", "response_rejected", "rejected_response", "bad", "worse", "dispreferred", "not_preferred"),
    *("bad_answer", "worse_answer", "rejected_messages"),
    *("坏", "差", "更差", "较差", "坏回答", "坏答案", "差回答", "差的回答", "坏的回答", "更差的回答", "拒绝"),
)
LIKED = (
    *("liked", "like", "thumbs_up", "is_good", "upvoted", "feedback"),
    *("喜欢", "点赞", "赞", "是否喜欢", "是否点赞", "评价"),
)


def candidates(row: Row) -> Mapping[str, list[str]]:
    """Part → every key of the row that may be its column."""
    plain = {key: _plain(key) for key in row}
    return {part: [key for key, word in plain.items() if word in names] for part, names in NAMES.items()}


def named(row: Row, names: Container[str]) -> str:
    """The only key of a row that is one of these names; "" if there is none, or several.

    >>> named({"问题": "在吗", "Good": "在", "Bad": "?"}, CHOSEN)
    'Good'
    """
    keys = [key for key in row if _plain(key) in names]
    return keys[0] if len(keys) == 1 else ""


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
