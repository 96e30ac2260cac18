r"""What LLaMA-Factory does with the thoughts in a conversation's answers when it trains on them.

LLaMA-Factory 0.9.5 (data/template.py, ReasoningTemplate) removes a thought in one spelling only,
`<think>\n…\n</think>\n\n`: everywhere with `enable_thinking: false`, in earlier answers with `mask_history:
true`. A thought in another spelling remains, and the answer gets no empty thought. Templates of its other
classes remove nothing.

Covered: thoughts between <think> and </think>. Not covered: templates with other marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

# The templates of class ReasoningTemplate whose thought_words are the usual ones.
REASONING = frozenset(
    {
        *("deepseekr1", "qwen3", "qwen3_vl", "qwen3_omni", "qwen3_5", "qwen3_6"),
        *("ernie_vl", "glm4_moe", "glm4v", "glm4_5v", "glmz1", "keye_vl", "mimo", "mimo_vl"),
        *("minimax2", "youtu"),
    }
)
REMOVED = re.compile("<think>\n(.*?)\n</think>\n\n", re.DOTALL)
SPELLING = r"<think>\n…\n</think>\n\n"


class Fate(StrEnum):
    """What happens to one answer's thought."""

    TAUGHT = "taught"
    REMOVED = "removed"
    STRIPPED = "stripped"
    SURVIVES_OFF = "thought not removed"
    MARKED = "mark of a thought"
    SURVIVES_STRIP = "earlier thought not removed"


@dataclass(frozen=True, slots=True)
class ThoughtRules:
    """The settings of a training run that affect thoughts.

    Attributes:
        template: LLaMA-Factory's name of it.
        thinking: its enable_thinking: True, False, or None for mixed.
        mask_history: earlier answers are context only, and lose their thoughts.
    """

    template: str
    thinking: bool | None
    mask_history: bool

    @property
    def removes(self) -> bool:
        """Whether this template removes thoughts at all."""
        return self.template in REASONING


def fates(messages: Sequence[Mapping[str, str]], rules: ThoughtRules) -> Iterator[tuple[int, Fate]]:
    """(answer number from 0, fate) of every answer that contains a thought, or its marks."""
    answers = [message["content"] for message in messages if message["role"] == "assistant"]
    for number, content in enumerate(answers):
        if "<think>" in content or "</think>" in content:
            fate = _fate(content, rules, earlier=number < len(answers) - 1)
            if fate is not None:
                yield number, fate


def _fate(content: str, rules: ThoughtRules, *, earlier: bool) -> Fate | None:
    strip = earlier and rules.mask_history
    left = content
    if rules.removes and (strip or rules.thinking is False):
        left = REMOVED.sub("", content)
    opened, opens = _opens(content), _opens(left)
    if rules.thinking is False:
        if opens:
            return Fate.SURVIVES_OFF
        # Any mark keeps LLaMA-Factory from adding the empty thought that the server will send.
        if rules.removes and not strip and ("<think>" in left or "</think>" in left):
            return Fate.MARKED
        return Fate.REMOVED if opened else None
    if strip and opens:
        return Fate.SURVIVES_STRIP
    if not opened:
        return None
    return Fate.TAUGHT if opens else Fate.STRIPPED


def _opens(content: str) -> bool:
    return content.lstrip().startswith("<think>")
