"""thinks: every turn's thinking is well formed (`true`), or there is none (`false`).

Well formed: the server split off a thought that is not empty, an answer follows it, and no <think> or
</think> is left in either. `false`: nothing was split off, and no such tag is in an answer; an empty thought
(<think></think>, as given to models that must not think) counts as none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestrator.checks.base import Case, EveryTurnCheck, error_of, quoted, why_unanswered
from orchestrator.results import Sentence, Turn

_TAG = "</?think(?:ing)?>"
_NONE = Sentence("no thinking", "没有思考内容")


class Thinks(EveryTurnCheck[bool]):
    """Every turn thinks well, or none thinks, as the argument says."""

    name = "thinks"

    def expected(self, argument: bool) -> str:
        return Sentence("a thought, then an answer", "先思考，再回答") if argument else _NONE

    def faults(self, question: str, turn: Turn, argument: bool) -> Iterable[Sentence]:
        if fault := (_missing if argument else _unexpected)(turn):
            yield fault

    def success(self, case: Case, argument: bool) -> Sentence:
        return Sentence("every answer follows a thought", "每个回答之前都有思考内容") if argument else _NONE

    def problem(self, argument: object) -> str | None:
        return None if isinstance(argument, bool) else "must be true, or false for answers without thinking"


CHECK = Thinks()


def _missing(turn: Turn) -> Sentence:
    """What is wrong with the thinking of a turn that must have some."""
    if turn.error:
        return error_of(turn)
    if tag := _tag(turn):
        return tag
    if not turn.reasoning.strip():
        answer = quoted(turn.content)
        return Sentence(
            f"it did not think, or the server has no reasoning parser: {answer}",
            f"没有思考内容，或者服务器没有配置 reasoning parser：{answer}",
        )
    if turn.content.strip():
        return Sentence()
    return why_unanswered(turn) or Sentence("no answer follows the thinking", "思考之后没有回答")


def _unexpected(turn: Turn) -> Sentence:
    """The thinking of a turn that must have none."""
    if not turn.error and turn.reasoning.strip():
        thought = quoted(turn.reasoning)
        return Sentence(f"it thought: {thought}", f"出现了思考内容：{thought}")
    return why_unanswered(turn) or _tag(turn)


def _tag(turn: Turn) -> Sentence:
    for en, zh, text in (("answer", "回答", turn.content), ("thinking", "思考", turn.reasoning)):
        if found := re.search(_TAG, text):
            tag, shown = found[0], quoted(text)
            return Sentence(f"{tag} is left in the {en}: {shown}", f"{zh}中残留 {tag}：{shown}")
    return Sentence()
