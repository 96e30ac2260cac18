"""Bars are as high as their counts, inside the picture, and never too small to be seen."""

from __future__ import annotations

from orchestrator.html.drawing import HEIGHT, LEAST, WIDTH, bars, place_of


def test_the_highest_bar_fills_the_picture_and_the_others_are_in_proportion() -> None:
    one, two, none, few = bars([(0, 9, 1000), (10, 19, 500), (20, 29, 0), (30, 39, 1)])
    assert (one.height, two.height, none.height, few.height) == (HEIGHT, HEIGHT / 2, 0, LEAST)
    assert all(bar.y + bar.height == HEIGHT for bar in (one, two, none, few))
    assert few.x + few.width <= WIDTH
    assert one.x + one.width < two.x
    assert (two.low, two.high, two.count) == (10, 19, 500)


def test_nothing_to_draw_is_no_bar() -> None:
    assert bars([]) == []
    assert [bar.height for bar in bars([(0, 1, 0)])] == [0]


def test_a_value_has_its_place_between_the_bars() -> None:
    bins = [(0, 9, 5), (10, 99, 1)]
    assert place_of(0, bins) == 0
    assert place_of(5, bins) == WIDTH / 4
    assert place_of(10, bins) == WIDTH / 2
    assert place_of(100, bins) is None
    assert place_of(1, []) is None
