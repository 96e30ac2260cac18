"""Every stage has a title in both languages."""

from __future__ import annotations

from orchestrator.plan.stages import STAGES
from orchestrator.plan.titles import TITLES, title_of


def test_every_stage_has_a_title_in_both_languages() -> None:
    assert list(TITLES) == list(STAGES)
    assert all(title.isascii() and not title.zh.isascii() for title in TITLES.values())
    assert len(set(TITLES.values())) == len(TITLES)


def test_a_stage_without_a_title_is_called_by_its_name() -> None:
    assert title_of("mine") == "mine"
