"""What differs between two runs."""

from __future__ import annotations

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.run_store.compare_runs import ABSENT, compare_runs, differences
from orchestrator.execute.run_store.run_folder import Run
from tests.small_world import SmallWorld


def test_a_changed_setting_and_what_came_of_it(small: SmallWorld) -> None:
    small.after("sft", "small")
    first = small.last()
    small.run("sft", "small", "--set", "train.epochs=9")
    found = {(one.part, one.key): one for one in compare_runs(first, small.last())}
    epochs = found["recipe", "train.epochs"]
    assert (epochs.b, epochs.from_a, epochs.from_b) == (9, "default", "--set train.epochs=9")
    assert {part for part, _ in found} == {"recipe"}, "times, paths and hashes of outputs are left out"


def test_what_one_has_alone() -> None:
    found = differences({"base": {"revision": "a"}}, {"base": {"files": {"x": "1"}}})
    assert [(one.key, one.a, one.b) for one in found] == [("files.x", ABSENT, "1"), ("revision", "a", ABSENT)]
    assert differences({}, {}) == []


def test_a_run_without_a_manifest_is_told(small: SmallWorld) -> None:
    run = Run.create(small.project, "small")
    with pytest.raises(MissingError, match=r"has no manifest\.json"):
        compare_runs(run, run)
