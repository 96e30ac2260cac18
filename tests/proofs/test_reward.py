"""The reward proofs: each fault on the way from the trainer's score to a client's is named by its looks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.proofs.reward import Pair, Scored, accuracy, preferences, prove

GROUPS = {"trained": 40, "held_out": 12}
BETTER, WORSE = (0.4, 1.2, -0.2, 2.0, 0.9), (-0.6, -0.1, -1.4, 0.3, -2.0)


def pairs(change: Callable[[Scored], Scored] = lambda one: one, *, held_out: bool = True) -> list[Pair]:
    """Five pairs, the better answer higher; each score changed."""
    found = []
    for row, both in enumerate(zip(BETTER, WORSE, strict=True)):
        better, worse = (change(Scored(score, score, score, score)) for score in both)
        found.append(Pair(f"rows.jsonl:{row}", held_out, better, worse))
    return found


def test_equal_scores_hold_within_the_rounding_of_the_dtype() -> None:
    near = pairs(lambda one: replace(one, ids=one.ids + 0.004))
    proof = prove(near, ("float32", "float32"), GROUPS)
    assert proof.holds
    assert proof.covered == "5 of 12 held-out pairs, in float32"
    assert proof.numbers["ids_off"] == pytest.approx(0.004)
    assert "agree within 0.004" in proof.detail
    far = pairs(lambda one: replace(one, ids=one.ids + 0.1))
    assert not prove(far, ("float32", "float32"), GROUPS).holds
    assert prove(far, ("float32", "bfloat16"), GROUPS).holds


def squashed(one: Scored) -> Scored:
    score = 1 / (1 + math.exp(-one.export))
    return replace(one, ids=score, messages=score)


FAULTS: dict[str, tuple[Callable[[Scored], Scored], str, str]] = {
    "another head": (
        lambda one: replace(one, export=math.sin(9 * one.trainer)),
        "the export scores otherwise than the trainer",
        "of another training",
    ),
    "bias lost in the export": (
        lambda one: replace(one, export=one.trainer - 0.3),
        "the export",
        "by the same -0.3: score.bias",
    ),
    "better and worse swapped": (lambda one: replace(one, export=-one.trainer), "the export", "swapped"),
    "squashed by a sigmoid": (
        squashed,
        "the server scores otherwise than the export",
        "problem_type regression",
    ),
    "bias lost in the server": (
        lambda one: replace(one, ids=one.export + 0.3),
        "the server",
        "by the same 0.3: score.bias",
    ),
    "another template": (
        lambda one: replace(
            one, messages=one.ids + 0.5, difference="at token 3 training has 'a', the server 'b'"
        ),
        "the server reads a client's messages as another text",
        "at token 3 training has 'a'",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_by_its_looks(name: str) -> None:
    change, where, looks = FAULTS[name]
    found = pairs(change)
    proof = prove(found, ("float32", "float32"), GROUPS)
    assert not proof.holds
    assert where in proof.detail
    assert looks in proof.detail
    assert proof.hint
    assert proof.findings


def test_no_scored_pair_proves_nothing() -> None:
    refused = [Pair("rows.jsonl:1", held_out=True, error="too long")]
    proof = prove(refused, ("float32", "float32"), GROUPS)
    assert not proof.holds
    assert proof.detail == "no pair was scored: rows.jsonl:1: too long"
    assert not prove([], ("float32", "float32"), GROUPS).holds


def test_accuracy_holds_only_where_the_interval_is_above_chance() -> None:
    assert accuracy(preferences(pairs())).holds
    assert accuracy(preferences(pairs())).numbers["held_out_accuracy_low"] == pytest.approx(0.5655)
    # Trained pairs say nothing.
    assert not accuracy(preferences(pairs(held_out=False))).holds


def test_accuracy_that_is_no_better_than_chance_says_why() -> None:
    few = accuracy(preferences(pairs()[:3]))
    assert not few.holds
    assert "3 of 3 held-out pairs (95 % from 44% to 100%): too few to tell it from chance" in few.detail
    swapped = [replace(pair, better=pair.worse, worse=pair.better) for pair in pairs()]
    worse = accuracy(preferences(swapped))
    assert "0 of 5" in worse.detail
    assert worse.detail.endswith("worse than chance")
    assert "chosen is the better answer" in worse.hint
    assert len(worse.findings) == 5
    mixed = accuracy(preferences([*pairs(), *swapped]))
    assert mixed.detail.endswith("not above chance")


def test_a_tie_is_no_preference() -> None:
    tie = [replace(pair, worse=pair.better) for pair in pairs()]
    assert accuracy(preferences(tie)).numbers["held_out_accuracy"] == 0
