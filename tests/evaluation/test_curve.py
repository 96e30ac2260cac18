"""A loss's course: what it shows, what it advises, and when it stands still."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from orchestrator.evaluation.curve import Points, course_of, is_flat


def drawn(shape: Callable[[float], float], steps: int = 100, until: int = 0) -> list[tuple[int, float]]:
    """(step, loss), a little noisy but the same every time."""
    last = until or steps
    return [(at, shape(at / steps) + 0.02 * math.sin(at * 12.9898)) for at in range(1, last + 1)]


def falls_and_stands(x: float) -> float:
    return max(3 - 8 * x, 0.2)


@pytest.mark.parametrize(
    ("losses", "validations", "kind", "advice"),
    [
        (drawn(lambda x: 3 - 2.5 * x), [], "falling", "more epochs"),
        (drawn(lambda x: 3 - 0.5 * x), [], "slow", "a higher learning rate"),
        (drawn(lambda _: 3.0), [], "slow", "a higher learning rate"),
        (drawn(lambda x: 3 + 2 * x), [], "rising", "a lower learning rate"),
        (drawn(lambda x: math.nan if x > 0.5 else 3 - x), [], "rising", "a lower learning rate"),
        (drawn(falls_and_stands), [], "done", ""),
        (drawn(falls_and_stands), [(10, 2.0), (20, 1.0), (30, 1.4)], "turned", "fewer epochs, or more data"),
        (drawn(falls_and_stands), [(10, 2.0), (20, 1.0), (30, 1.001)], "done", ""),
        (drawn(falls_and_stands)[:5], [], "short", ""),
        ([], [], "short", ""),
    ],
)
def test_what_a_course_shows(losses: Points, validations: Points, kind: str, advice: str) -> None:
    found = course_of(losses, validations, 100)
    assert (found.kind, found.advice, found.ended) == (kind, advice, "")


def test_where_validation_turned_is_told() -> None:
    found = course_of(drawn(falls_and_stands), [(10, 2.0), (20, 1.0), (30, 1.4)], 100)
    assert found.step == 20
    assert "lowest at step 20 of 100 (1)" in found.sentence


def test_a_training_that_ended_early_says_why() -> None:
    losses = drawn(falls_and_stands, until=65)
    found = course_of(losses, [], 100, plateau=0.2)
    assert (found.kind, found.advice, found.step, found.ended) == ("flat", "", 65, "flat")
    assert found.sentence.startswith("the loss fell from 2.93 to 0.2")
    assert course_of(losses, [(20, 1.0), (40, 1.5), (60, 2.0)], 100).ended == "turned"


def test_flat_is_found_where_it_is_flat_and_not_before() -> None:
    flat = [until for until in range(1, 101) if is_flat(drawn(falls_and_stands, until=until), 100, 0.2)]
    # It stops falling at step 35; half of the stretch must have stood there for the medians to be alike.
    assert 45 <= flat[0] <= 60
    assert flat == list(range(flat[0], 101))


def test_a_falling_loss_is_never_flat_and_neither_is_warm_up() -> None:
    assert not any(is_flat(drawn(lambda x: 3 - 2.5 * x, until=n), 100, 0.2) for n in range(1, 101))
    assert not any(is_flat(drawn(lambda _: 3.0, until=n), 100, 0.2) for n in range(1, 40))
    assert not is_flat(drawn(lambda _: 3.0), 100, 0.0)
    assert not is_flat([], 100, 0.2)


def test_few_losses_are_not_flat() -> None:
    sparse = [(at, 1.0) for at in range(10, 101, 10)]
    assert not is_flat(sparse, 100, 0.2)
