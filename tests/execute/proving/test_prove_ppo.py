"""From what the probes of ppo wrote to its two proofs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import StageFailed
from orchestrator.execute.proving.prove_ppo import prove_environment, prove_gain
from orchestrator.plan.stages.prove_data import ProveEnvironmentSettings
from orchestrator.plan.stages.rewards import ProveGainSettings

HEADER = {"versions": {"transformers": "4.55.4"}, "texts": {"base": [[1]], "reward": [[1]]}}
ENVIRONMENT = ProveEnvironmentSettings(
    trainer="mine.jsonl", other="theirs.jsonl", prepare="prepare.json", out="environment.json"
)
GAIN = ProveGainSettings(scores="scores.jsonl", prepare="prepare.json", out="gain.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepared = {"datasets": [{"name": "q", "file": "dataset_info/data/q.jsonl"}]}
    (tmp_path / "prepare.json").write_text(json.dumps(prepared), encoding="utf-8")
    return tmp_path


def write(path: Path, *lines: object) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def values(number: int, score: float) -> dict[str, object]:
    return {"dataset": "q", "row": number, "logprobs": [-1.0], "score": score}


def read(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_rows_are_compared_by_their_place(folder: Path) -> None:
    write(folder / "mine.jsonl", HEADER, values(1, 0.5), values(2, 0.7))
    write(folder / "theirs.jsonl", HEADER, values(2, 0.7), values(1, 0.5))
    assert prove_environment(ENVIRONMENT, folder) == 0
    assert read(folder / "environment.json")["numbers"] == {"rows": 2, "base_apart": 0, "reward_apart": 0}


def test_fault_another_score_ends_the_run_and_names_the_row(folder: Path) -> None:
    write(folder / "mine.jsonl", HEADER, values(1, 0.5))
    write(folder / "theirs.jsonl", HEADER, values(1, -0.5))
    assert prove_environment(ENVIRONMENT, folder) == 5
    assert "q.jsonl:1" in (folder / "environment.json").read_text(encoding="utf-8")


def test_a_probe_that_was_cut_off_is_no_proof(folder: Path) -> None:
    write(folder / "mine.jsonl", HEADER)
    write(folder / "theirs.jsonl", HEADER, values(1, 0.5))
    with pytest.raises(StageFailed, match="cut off"):
        prove_environment(ENVIRONMENT, folder)


def test_both_answers_to_a_prompt_are_one_gain(folder: Path) -> None:
    def answer(when: str, number: int, score: float | None) -> dict[str, object]:
        return {"when": when, "dataset": "q", "row": number, "question": "?", "score": score, "answer": "!"}

    write(
        folder / "scores.jsonl",
        *(answer("before", number, 0.0) for number in (1, 2, 3)),
        *(answer("after", number, score) for number, score in ((1, 1.0), (2, 2.0), (3, None))),
    )
    assert prove_gain(GAIN, folder) == 0
    proof = read(folder / "gain.json")
    assert proof["not_covered"] == "1 prompts without two answers"
    assert proof["numbers"]["gain"] == 1.5  # type: ignore[index]  # an object
