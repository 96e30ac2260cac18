"""What is tested or validated is not trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UsageError
from tests.execute.data.test_prepare import prepare, settings
from tests.execute.data.test_prepare_split import asked


def given_apart(tmp_path: Path, trained: Path, test: Path) -> dict[str, Any]:
    apart = {**settings(test)["datasets"][0], "name": "exam", "part": "test"}
    return {**settings(trained), "datasets": [apart, *settings(trained)["datasets"]]}


def test_a_file_given_for_test_is_prepared_and_not_trained(tmp_path: Path) -> None:
    trained, test = asked(tmp_path / "a.jsonl", "一", "二"), asked(tmp_path / "b.jsonl", "三")
    assert prepare(given_apart(tmp_path, trained, test), tmp_path) == 0
    report = json.loads((tmp_path / "data.partial-0/prepare.json").read_text(encoding="utf-8"))["datasets"]
    assert [(one["name"], one["part"], one["rows"]) for one in report] == [
        ("exam", "test", 1),
        ("x", "train", 2),
    ]


def test_a_question_of_the_test_that_is_trained_is_an_error(tmp_path: Path) -> None:
    trained = asked(tmp_path / "a.jsonl", "一", "头疼怎么办", "二", *["牙疼？"] * 4)
    test = asked(tmp_path / "b.jsonl", "三", "头疼，怎么办？", "牙疼")
    with pytest.raises(UsageError) as caught:
        prepare(given_apart(tmp_path, trained, test), tmp_path)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["a.jsonl:2", "a.jsonl:4", "a.jsonl:5", ""]
    assert "a train row asks the same as a test row (b.jsonl:2)" in caught.value.problems[0].what
    assert "5 rows ask the same as a row of another part" in caught.value.problems[-1].what
