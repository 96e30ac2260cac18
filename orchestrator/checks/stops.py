"""stops: every answer of the case ended by itself, not by its length limit.

That is finish_reason "stop", or "tool_calls" if the answer is a tool call.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.checks.base import Case, EveryTurnCheck, error_of, quoted
from orchestrator.results import Sentence, Turn


class Stops(EveryTurnCheck[bool]):
    """Every turn stopped by itself."""

    name = "stops"

    def expected(self, argument: bool) -> str:
        return 'finish_reason "stop"'

    def faults(self, question: str, turn: Turn, argument: bool) -> Iterable[Sentence]:
        if turn.error:
            yield error_of(turn)
        elif turn.finish_reason == "length":
            shown = quoted(turn.content or turn.reasoning)
            yield Sentence(
                f"the answer reached the length limit: {shown}; "
                "the model did not learn to stop, or verify.max_tokens is too small",
                f"回答达到长度上限：{shown}；模型没有学会停止，或者 verify.max_tokens 太小",
            )
        elif turn.finish_reason != "stop" and not (turn.finish_reason == "tool_calls" and turn.tool_calls):
            yield Sentence(
                f'expected finish_reason "stop", got "{turn.finish_reason}"',
                f'finish_reason 应为 "stop"，实际为 "{turn.finish_reason}"',
            )

    def success(self, case: Case, argument: bool) -> Sentence:
        return Sentence("every answer ended by itself", "每个回答都自行结束")


CHECK = Stops()
