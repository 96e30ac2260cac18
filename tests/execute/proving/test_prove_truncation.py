from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.execute.proving.offline_proofs import prove_truncation
from orchestrator.execute.runner.task import typed
from tests.execute.proving.trained_world import PATHS, TrainedWorld, trained

OUT = "proofs/data/truncation.json"
SETTINGS = {**PATHS, "out": OUT, "limit": None}
LOST = {"tokens": 9, "turns": [{"turn": 0, "context": 0, "labels": 9, "thought_open": False}]}


@pytest.fixture
def world(tmp_path: Path) -> TrainedWorld:
    return TrainedWorld(tmp_path)


def test_the_limit_decides(world: TrainedWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.leave([trained(1), trained(2, lost=LOST, cut=True)])
    assert prove_truncation(typed(prove_truncation, SETTINGS), world.folder) == 0
    assert prove_truncation(typed(prove_truncation, SETTINGS | {"limit": 0.0}), world.folder) == 5
    assert "data/海螺.jsonl:2" in capsys.readouterr().err
    found = world.proof(OUT)
    assert (found["name"], found["holds"], found["numbers"]["cut_rows"]) == ("truncation", False, 1)
    assert found["findings"][0]["where"] == "data/海螺.jsonl:2"
    assert (
        prove_truncation(
            typed(prove_truncation, SETTINGS | {"limit": 0.0, "accept_mismatch": True}), world.folder
        )
        == 0
    )


def test_thoughts_are_read_from_the_conversations(world: TrainedWorld) -> None:
    world.leave([trained(1), trained(2)], {2: "<think>x</think>y"}, thinking=False)
    assert prove_truncation(typed(prove_truncation, SETTINGS), world.folder) == 5
    assert world.proof(OUT)["findings"][0]["where"] == "data/海螺.jsonl:2"
