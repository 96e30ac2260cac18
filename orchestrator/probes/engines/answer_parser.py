"""A plug-in for vLLM (`--reasoning-parser-plugin`): content begins with the answer, streamed or not.

Whatever reasoning parser a recipe chooses, vLLM makes the content of every API (chat completions, responses,
messages) in one place, the Parser of ParserManager.get_parser. There the blank lines that end a thought are
taken off the answer (spellings.BlankLines; docs/adr/0011-clean-content.md).

And deepseek_r1 splits a streamed follow-up correctly. vLLM 0.32 asks of the whole prompt whether thinking has
ended, and takes a `</think>` in an earlier turn for the end of this one's: a streamed follow-up then comes
with its thinking, tags and all, as content, while the same answer sent whole is split correctly
(https://github.com/vllm-project/vllm/pull/32490, closed unmerged). A template that keeps the history has
such a `</think>` in every follow-up. Here only what follows the last `<｜Assistant｜>` counts. And a tag that
opens a thought and comes in one chunk with more is taken out of the thinking.

Runs inside vLLM. Not covered: a server without a reasoning parser, whose content is the model's whole text.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).parents[1]))  # vLLM imports this file by its path

from spellings import BlankLines, without_blank_lines
from vllm.parser import ParserManager
from vllm.reasoning import ReasoningParserManager
from vllm.reasoning.deepseek_r1_reasoning_parser import DeepSeekR1ReasoningParser

if TYPE_CHECKING:
    from vllm.entrypoints.openai.engine.protocol import DeltaMessage

ASSISTANT = "<｜Assistant｜>"
_PLACE = "conch_cleans"


def cleaning(parser: type[Any]) -> type[Any]:
    """A Parser of vLLM whose content begins with the answer."""

    class Cleaning(parser):  # type: ignore[misc]  # chosen when the server starts
        def parse(self, *given: Any, **named: Any) -> tuple[Any, Any, Any]:
            """(reasoning, content, tool calls) of a whole answer."""
            reasoning, content, calls = super().parse(*given, **named)
            return reasoning, content and (without_blank_lines(content) or None), calls

        def parse_delta(self, *given: Any, **named: Any) -> Any:
            """The next piece of a streamed answer; None while it is only blank."""
            if not hasattr(self, "_blank_lines"):
                self._blank_lines = BlankLines()
            piece = super().parse_delta(*given, **named)
            if piece is None or not piece.content:
                return piece
            piece.content = self._blank_lines.strip(piece.content) or None
            return piece if piece.content or piece.reasoning or piece.tool_calls else None

    Cleaning.__name__ = parser.__name__
    return Cleaning


def _get_parser(*given: Any, **named: Any) -> type[Any] | None:
    parser = _own(*given, **named)
    return None if parser is None else cleaning(parser)


# vLLM imports a plug-in more than once in one process.
_own = getattr(ParserManager, _PLACE, ParserManager.get_parser)
setattr(ParserManager, _PLACE, _own)
ParserManager.get_parser = _get_parser


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
