"""Lines lie inside their frame, ticks are round numbers, and what is no number draws nothing."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.html.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart, label, thinned, ticks

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


def test_a_line_begins_at_the_left_and_ends_at_the_right() -> None:
    found = chart({"loss": [(1, 4.0), (2, 2.0), (3, 1.0)]}, from_zero=True)
    assert found is not None
    (line,) = found.lines
    first, *_, last = line.points.split()
    assert first == f"{LEFT:.1f},{TOP:.1f}"
    assert last.startswith(f"{WIDTH - RIGHT:.1f},")
    assert [tick.label for tick in found.y_ticks] == ["0", "1", "2", "3", "4"]
    assert [tick.label for tick in found.x_ticks] == ["1", "2", "3"]
    assert [dot.label for dot in line.dots] == ["1: 4", "2: 2", "3: 1"]


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=30))
def test_whatever_is_drawn_lies_inside_the_frame(points: list[tuple[float, float]]) -> None:
    found = chart({"any": points})
    assert found is not None
    for place in found.lines[0].points.split():
        x, y = map(float, place.split(","))
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP <= y <= HEIGHT - BOTTOM
    assert 2 <= len(found.y_ticks) <= 8


def test_what_is_no_number_is_left_out() -> None:
    assert chart({"loss": [], "rate": [(1, math.nan)]}) is None
    found = chart({"loss": [(1, math.inf), (2, 3.0), (3, 3.0)]})
    assert found is not None
    assert len(found.lines[0].points.split()) == 2


def test_many_points_are_thinned_and_the_ends_stay() -> None:
    points = [(float(step), float(-step)) for step in range(100_000)]
    kept = thinned(points)
    assert len(kept) == 500
    assert (kept[0], kept[-1]) == (points[0], points[-1])


def test_ticks_are_round_and_labels_short() -> None:
    assert ticks(0.0, 0.00014) == [0.0, 5e-05, 0.0001, 0.00015]
    assert ticks(1, 3, whole=True) == [1.0, 2.0, 3.0]
    assert label(1e-05, [0.0, 1e-05]) == "1e-5"
    assert label(0.25, [0.0, 0.5]) == "0.25"
