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


ACCURACY = "rewards/accuracies"


def rises_and_stands(x: float) -> float:
    return min(2 * x, 1.0)


def test_a_preference_training_is_flat_by_the_share_of_preferred_answers() -> None:
    """Its loss may still fall where every pair is told apart."""
    rising = drawn(rises_and_stands, until=40)
    standing = drawn(rises_and_stands, until=90)
    assert not is_flat(rising, 100, 0.2, rises=True)
    assert is_flat(standing, 100, 0.2, rises=True)
    losses = drawn(lambda x: 3 - 2.5 * x, until=90)
    found = course_of(losses, [], 100, plateau=0.2, kind="dpo", measured={ACCURACY: standing})
    assert (found.kind, found.ended, found.advice) == ("flat", "flat", "")
    assert '"better answer preferred" stopped rising: training ended there' in found.sentence
    assert course_of(losses, [], 100, plateau=0.2).ended == ""


def test_held_out_pairs_decide_whether_a_preference_training_turned() -> None:
    """The validation loss of DPO rises where answers become surer; the share of preferred ones decides."""
    risen = [(10, 0.6), (20, 0.5), (30, 0.9)]
    better = {f"eval_{ACCURACY}": [(10, 0.5), (20, 0.75), (30, 0.8)]}
    worse = {f"eval_{ACCURACY}": [(10, 0.5), (20, 0.9), (30, 0.6)]}
    assert course_of(drawn(falls_and_stands), risen, 100, kind="dpo", measured=better).kind == "done"
    found = course_of(drawn(falls_and_stands), [], 100, kind="dpo", measured=worse)
    assert (found.kind, found.step) == ("turned", 20)
    assert "highest at step 20 of 100 (90%) and is 60% at the end" in found.sentence


def test_metrics_are_said_of_a_short_training_too() -> None:
    found = course_of(
        drawn(falls_and_stands)[:3], [], 3, kind="kto", measured={"rewards/margins": [(1, 0.0), (3, 2.0)]}
    )
    assert found.sentence == "3 losses are too few to judge; reward margin 0 → 2"


def test_ppo_is_judged_by_its_reward_alone() -> None:
    noise = drawn(lambda x: 1 + 3 * x)
    assert course_of(noise, [], 100, kind="ppo", measured={"reward": drawn(lambda x: x - 1)}).kind == "done"
    found = course_of(noise, [], 100, kind="ppo", measured={"reward": drawn(lambda x: -x)})
    assert (found.kind, found.advice) == ("slow", "a higher learning rate")
    assert "mean reward" in found.sentence
