"""Statistics in the terminal: facts in words, and bars in proportion."""

from __future__ import annotations

from orchestrator.cli.text.statistics import BAR, bar_lines


def test_the_longest_bar_is_the_highest_count_and_none_that_counts_vanishes() -> None:
    lines = list(
        bar_lines(
            [
                {"from": 0, "to": 999, "count": 1000},
                {"from": 1000, "to": 1999, "count": 1},
                {"from": 2000, "to": 2999, "count": 0},
            ]
        )
    )
    assert [line.count("█") for line in lines] == [BAR, 1, 0]
    assert lines[0].startswith("    0 –   999 ")
    assert lines[1].endswith(" 1")
    assert lines[2].endswith(" 0")


def test_nothing_is_no_bar() -> None:
    assert list(bar_lines([])) == []
