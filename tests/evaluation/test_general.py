"""The questions of general knowledge: cases whose checks can be judged, in both languages."""

from __future__ import annotations

from orchestrator.checks import problems_of
from orchestrator.evaluation.general import cases


def test_every_question_is_a_case_with_a_right_check() -> None:
    found = cases()
    assert len({case.ask[0] for case in found}) == len(found) >= 20
    assert not [case for case in found if problems_of(case.expect)]
    chinese = [case for case in found if not case.ask[0].isascii()]
    assert len(found) / 3 < len(chinese) < len(found) * 2 / 3 + 2
