from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.proving.offline_proofs import prove_stop
from orchestrator.execute.runner.task import typed
from tests.execute.proving.trained_world import PATHS, TrainedWorld, trained

OUT = "proofs/export/stop.json"
SETTINGS = {
    "training_ids": PATHS["training_ids"],
    "prepare": PATHS["prepare"],
    "stop_ids": "stop_ids.json",
    "base": "inputs/base",
    "out": OUT,
}


def facts(*stop_ids: int, eos: int = 4) -> dict[str, Any]:
    return {
        "stop_ids": list(stop_ids),
        "eos_token_id": eos,
        "tokens": {"2": "<|im_end|>", "4": "<eos>"},
        "generation_config": {"file": "export/generation_config.json", "eos_token_id": list(stop_ids)},
        "config": {"file": "export/config.json", "eos_token_id": [4]},
        "tokenizer_config": {"file": "export/tokenizer_config.json", "eos_token": "<eos>", "eos_token_id": 4},
    }


@pytest.fixture
def world(tmp_path: Path) -> TrainedWorld:
    world = TrainedWorld(tmp_path)
    world.leave([trained(1), trained(2, [3, 1, 7, 2, 7, 4])])
    (tmp_path / "stop_ids.json").write_text(json.dumps(facts(4)), encoding="utf-8")
    return world


def test_it_holds_where_the_server_stops(world: TrainedWorld) -> None:
    assert prove_stop(typed(prove_stop, SETTINGS), world.folder) == 0
    found = world.proof(OUT)
    assert (found["name"], found["holds"], found["numbers"]["stopped"]) == ("stop", True, 2)


def test_a_row_that_would_be_cut_is_named(world: TrainedWorld, capsys: pytest.CaptureFixture[str]) -> None:
    (world.folder / "stop_ids.json").write_text(json.dumps(facts(2, 4)), encoding="utf-8")
    assert prove_stop(typed(prove_stop, SETTINGS), world.folder) == 5
    assert "data/海螺.jsonl:2: answer 1 contains <|im_end|> (2) before its end" in capsys.readouterr().err
    assert prove_stop(typed(prove_stop, SETTINGS | {"accept_mismatch": True}), world.folder) == 0


def test_the_trainers_eos_comes_from_the_header(world: TrainedWorld) -> None:
    (world.folder / "stop_ids.json").write_text(json.dumps(facts(4, eos=7)), encoding="utf-8")
    assert prove_stop(typed(prove_stop, SETTINGS), world.folder) == 5
    assert "the trainer's was <eos> (4)" in world.proof(OUT)["detail"]


@pytest.mark.parametrize("token", ["<eos>", {"content": "<eos>"}])
def test_the_bases_eos_is_read(world: TrainedWorld, token: object) -> None:
    base = world.folder / "inputs/base"
    base.mkdir(parents=True)
    (base / "tokenizer_config.json").write_text(json.dumps({"eos_token": token}), encoding="utf-8")
    said = facts(4) | {
        "generation_config": {"file": "export/generation_config.json", "eos_token_id": [2]},
        "config": {"file": "export/config.json", "eos_token_id": [2]},
    }
    (world.folder / "stop_ids.json").write_text(json.dumps(said), encoding="utf-8")
    assert prove_stop(typed(prove_stop, SETTINGS), world.folder) == 5
    assert "export/generation_config.json" in world.proof(OUT)["detail"]


def test_facts_that_are_missing_or_none(world: TrainedWorld) -> None:
    (world.folder / "stop_ids.json").write_text("[]", encoding="utf-8")
    with pytest.raises(StageFailed, match="cannot be read"):
        prove_stop(typed(prove_stop, SETTINGS), world.folder)
    (world.folder / "stop_ids.json").unlink()
    with pytest.raises(MissingError, match="left no stop ids"):
        prove_stop(typed(prove_stop, SETTINGS), world.folder)
