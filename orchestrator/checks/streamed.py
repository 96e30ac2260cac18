"""streamed: every streamed answer is the same as the answer sent whole.

Content, thinking, tool calls and (if the server returns them both times) token ids are compared exactly.
This assumes greedy answers: with a temperature above 0 the two requests are two samples.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.checks.base import Case, EveryTurnCheck, PromptPlan, error_of, quoted, whole
from orchestrator.results import Sentence, Turn


class Streamed(EveryTurnCheck[bool]):
    """Every turn came the same both ways."""

    name = "streamed"

    def prompts(self, case: Case, argument: bool) -> tuple[PromptPlan, ...]:
        return whole(case, streamed=True)

    def faults(self, question: str, turn: Turn, argument: bool) -> Iterable[Sentence]:
        if fault := difference(turn):
            yield fault

    def success(self, case: Case, argument: bool) -> Sentence:
        return Sentence("the streamed answer is the same", "流式回答与完整回答一致")


CHECK = Streamed()


def difference(turn: Turn) -> Sentence:
    """How the streamed answer of a turn differs from the one sent whole; "" if it does not."""
    if turn.error:
        return error_of(turn)
    if not turn.streamed:
        return Sentence("it was not asked with streaming", "没有以流式方式提问")
    ids = (turn.token_ids, turn.streamed_token_ids)
    for en, zh, full, streamed in (
        ("", "", turn.content, turn.streamed_content),
        ("thinking ", "思考", turn.reasoning, turn.streamed_reasoning),
        ("tool calls ", "工具调用", list(turn.tool_calls), list(turn.streamed_tool_calls)),
        ("token ids ", "token id ", *(map(list, ids) if all(ids) else ("", ""))),
    ):
        if full != streamed:
            first, second = (quoted(each) if isinstance(each, str) else each for each in (full, streamed))
            return Sentence(f"{en}whole {first}, streamed {second}", f"{zh}完整 {first}，流式 {second}")
    return Sentence()
