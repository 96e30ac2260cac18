"""A recipe's target in a small world: met, missed, and aimed at what is never measured."""
# Covers execute/evaluating/check_target.py

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.small_world import SmallWorld

NO_BASE = ("--set", "verify.base=false")


def aimed(world: SmallWorld, target: str, *more: str) -> Any:
    return world.run("run", "small", *NO_BASE, "--set", f"target={target}", *more)


def test_a_target_decides_how_many_checks_must_pass(small: SmallWorld) -> None:
    small.write_recipe(("contains: 三块钱", "contains: 五块钱"))
    said = aimed(small, "{checks: 0.5}")
    assert said.code == 0, said.err
    assert "target met  1 of 2 checks passed (50.0%, at least 50.0%)" in said.out
    said = aimed(small, "{checks: 0.95}")
    assert said.code == 5
    assert "MISSED      1 of 2 checks passed (50.0%, at least 95.0%)" in said.out
    found = json.loads((small.last().path / "target.json").read_text(encoding="utf-8"))
    assert (found["met"], found["parts"][0]["actual"]) == (False, 0.5)


def test_metrics_and_general_knowledge_are_measured_for_it(small: SmallWorld) -> None:
    said = aimed(
        small,
        "{metrics: {exact_match: 100}, regression: 0.5, paraphrases: 0.5}",
        *("--set", "evaluate.split=train", "--set", "evaluate.base=false", "--json"),
    )
    data = said.envelope["data"]
    parts = {part["name"]: part for part in data["target"]["parts"]}
    assert parts["exact_match"]["met"]
    assert parts["general"]["met"]
    assert len({verdict["case"] for verdict in data["general"]}) == 24
    assert len({verdict["case"] for verdict in data["general_base"]}) == 24
    assert said.code == (0 if data["target"]["met"] else 5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("target.metrics={rogue-l: 5}", "evaluate.split=train"), 'did you mean "rouge-l"?'),
        (("target.metrics={rouge-l: 5}",), "no rows are scored, because evaluate.split is none"),
        (("target.checks=0.5", "verify.checks=[]"), "the recipe has no verify.checks"),
        (("target.paraphrases=0.5", "verify.paraphrases=false"), "no paraphrases are asked"),
        (("sweep.settings={train.epochs: [1]}",), "the recipe has no target to try settings for"),
        (
            ("target.checks=0.5", "sweep.settings={train.epochs: {from: 1, to: 3}}"),
            "a grid needs lists of values, not ranges",
        ),
    ],
)
def test_an_aim_at_what_is_never_measured_is_refused(
    small: SmallWorld, settings: tuple[str, ...], words: str
) -> None:
    said = small.run("plan", "small", *(word for one in settings for word in ("--set", one)))
    assert said.code == 2
    assert words in said.err
