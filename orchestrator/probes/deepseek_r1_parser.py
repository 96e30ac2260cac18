"""A plug-in for vLLM (`--reasoning-parser-plugin`): deepseek_r1 that splits a streamed follow-up rightly.

vLLM 0.32 asks of the whole prompt whether thinking has ended, and takes a `</think>` in an earlier turn for
the end of this one's: a streamed follow-up then comes with its thinking, tags and all, as content, while the
same answer sent whole is split rightly (https://github.com/vllm-project/vllm/pull/32490, closed unmerged).
A template that keeps the history has such a `</think>` in every follow-up. Here only what follows the last
`<｜Assistant｜>` counts. And a `<think>` that comes in one chunk with more is taken out of the thinking.

Runs inside vLLM; takes the place of vLLM's parser of that name. Not covered: other parsers (qwen3's knows
where a turn begins).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vllm.reasoning import ReasoningParserManager
from vllm.reasoning.deepseek_r1_reasoning_parser import DeepSeekR1ReasoningParser

if TYPE_CHECKING:
    from vllm.entrypoints.openai.engine.protocol import DeltaMessage

ASSISTANT = "<｜Assistant｜>"


def last_answer(token_ids: Sequence[int], marker: int | None) -> list[int]:
    """The ids after the last `marker`; all of them where there is none."""
    ids = list(token_ids)
    for position in range(len(ids) - 1, -1, -1):
        if ids[position] == marker:
            return ids[position + 1 :]
    return ids


class TurnAwareParser(DeepSeekR1ReasoningParser):  # type: ignore[misc]  # vLLM is not in the checker's environment
    """vLLM's deepseek_r1, asked about the answer at hand alone."""

    def is_reasoning_end(self, input_ids: Sequence[int]) -> bool:
        """Whether the thinking of the last turn has ended; earlier turns do not count."""
        return bool(super().is_reasoning_end(last_answer(input_ids, self.vocab.get(ASSISTANT))))

    def extract_reasoning_streaming(  # noqa: PLR0917  vLLM's signature
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
    ) -> DeltaMessage | None:
        """The next piece; the opening tag is no part of it, whatever came with it in one chunk."""
        piece = super().extract_reasoning_streaming(
            previous_text, current_text, delta_text, previous_token_ids, current_token_ids, delta_token_ids
        )
        if piece is not None and piece.reasoning and self.start_token_id in delta_token_ids:
            before, tag, after = piece.reasoning.partition(self.start_token)
            piece.reasoning = after if tag else before
        return piece


ReasoningParserManager.register_module("deepseek_r1", module=TurnAwareParser)
