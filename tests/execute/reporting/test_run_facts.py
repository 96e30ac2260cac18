"""What a report is made of: read where it lies, empty where it is not, secrets masked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.reporting.run_facts import commands_of, evaluations_of, language_of, read_facts
from orchestrator.results import Report, StageResult, Status, Verdict
from tests.run_world import make_run, write


def asked(*questions: str) -> Report:
    verdicts = [Verdict(str(at), "c", passed=True, question=q, answer="") for at, q in enumerate(questions)]
    return Report("r", "h", verdicts=verdicts)


def test_the_language_is_that_of_most_questions() -> None:
    assert language_of(asked("你是谁", "Who are you?", "今天")) == "zh"
    assert language_of(asked("你是谁", "Who are you?")) == "en"
    assert language_of(asked()) == "en"


def test_everything_is_read(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    told: Any = read_facts(run.path, recipe="shells", model="conch", stand_in=False)
    assert told["run"] == run.name
    assert told["language"] == "zh"
    assert list(told["evaluations"]["test"]) == ["base", "tuned"]
    assert told["target"]["met"] is False
    assert told["curve"]["step"] == 20
    assert told["trials"]["best"] == 1
    assert told["base"]["name"] == "org/base"
    assert told["not_proven"][0] == "tokenizer"
    assert "你是谁" in told["call"]["curl"]
    assert [one["stage"] for one in told["runs"]] == ["fetch", "train"]
    assert json.loads(json.dumps(told)) == told


def test_what_is_not_there_or_torn_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "runs/shells/20260102-030405-aaaa"
    folder.mkdir(parents=True)
    for name in ("manifest.json", "target.json", "curve.json"):
        (folder / name).write_text('{"met":', encoding="utf-8")
    told: Any = read_facts(folder, recipe="shells", model="m", stand_in=False)
    empty = ("target", "curve", "trials", "training", "comparison", "data", "evaluations", "recipe_values")
    assert not any(told[name] for name in empty)


def test_a_secret_in_a_reason_or_a_value_is_masked(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    secret = "hf_" + "A" * 30
    run.end_stage(StageResult("ask", Status.FAILED, f"401 for {secret}", exit_code=1), "sha256:x")
    manifest = json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))
    manifest["recipe"]["llamafactory.note"] = {"value": {"a": [secret]}, "from": "x.yaml:1:1"}
    write(run.path / "manifest.json", manifest)
    told = json.dumps(read_facts(run.path, recipe="shells", model="m", stand_in=False))
    assert secret not in told
    assert "401 for ***" in told


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n# x", "mit"),
        ("# no front", ""),
        ("---\n[\n---\n", ""),
        ("---\nlicense: [a]\n---\n", ""),
    ],
)
def test_the_licence_is_the_base_s_own(tmp_path: Path, card: str, licence: str) -> None:
    run = make_run(tmp_path)
    readme = run.path / "inputs/base/README.md"
    readme.parent.mkdir(parents=True)
    readme.write_text(card, encoding="utf-8")
    assert read_facts(run.path, recipe="shells", model="m", stand_in=False)["base"]["licence"] == licence
    write(run.path / "inputs/base.json", {"licence": "Apache-2.0"})
    told: Any = read_facts(run.path, recipe="shells", model="m", stand_in=False)
    assert told["base"]["licence"] == "Apache-2.0"


def test_a_server_is_named_once_and_broken_numbers_not_at_all(tmp_path: Path) -> None:
    stages = {"ask": {"commands": ["a"], "server": "s"}, "judge": {"commands": ["b"], "server": "s"}}
    assert [one["command"] for one in commands_of(stages)] == ["s", "a", "b"]
    (tmp_path / "test-tuned").mkdir()
    (tmp_path / "test-tuned/eval.json").write_text("{", encoding="utf-8")
    assert evaluations_of(tmp_path) == {}
