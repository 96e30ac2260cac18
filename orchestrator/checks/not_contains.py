"""not_contains: no answer of the case contains a text, or any text of a list.

Case-sensitive, in NFC, in every turn. Thinking that the server split off is not part of an answer. A missing
answer fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.checks.base import (
    Case,
    EveryTurnCheck,
    contained,
    listed,
    quoted,
    texts_of,
    texts_problem,
    why_unanswered,
)
from orchestrator.results import Sentence, Turn


class NotContains(EveryTurnCheck[str | Sequence[str]]):
    """No answer contains any of the texts."""

    name = "not_contains"

    def expected(self, argument: str | Sequence[str]) -> str:
        texts = ", ".join(texts_of(argument))
        return Sentence(f"without {texts}", f"不含 {texts}")

    def faults(self, question: str, turn: Turn, argument: str | Sequence[str]) -> Iterable[Sentence]:
        if missing := why_unanswered(turn):
            yield missing
        elif found := listed(contained(texts_of(argument), turn.content)):
            answer = quoted(turn.content)
            yield Sentence(f"{found} is in the answer {answer}", f"回答 {answer} 含有 {found}")

    def success(self, case: Case, argument: str | Sequence[str]) -> Sentence:
        texts = listed(texts_of(argument))
        return Sentence(f"no answer contains {texts}", f"所有回答均不含 {texts}")

    def problem(self, argument: object) -> str | None:
        return texts_problem(argument)


CHECK = NotContains()
