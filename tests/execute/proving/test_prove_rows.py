from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.proving.offline_proofs import prove_rows
from orchestrator.execute.runner.task import typed
from tests.execute.proving.trained_world import PATHS, TrainedWorld, trained

OUT = "proofs/data/rows.json"
SETTINGS = {**PATHS, "out": OUT}


@pytest.fixture
def world(tmp_path: Path) -> TrainedWorld:
    """Lines 1, 2, 3 and 7 of a file, all of them kept."""
    made = TrainedWorld(tmp_path)
    made.leave([trained(line) for line in (1, 2, 3, 7)], datasets={"shells": {"rows": 4, "kept": 4}})
    (tmp_path / "data/shells.jsonl").write_text("{}\n" * 4, encoding="utf-8")
    prepare(tmp_path)
    return made


def prepare(folder: Path, rows: int = 4) -> None:
    sha256 = "sha256:" + hashlib.sha256((folder / "data/shells.jsonl").read_bytes()).hexdigest()
    told = {"name": "shells", "part": "train", "file": "raw/海螺.jsonl", "rows": rows, "sha256_out": sha256}
    (folder / PATHS["prepare"]).write_text(json.dumps({"datasets": [told]}), encoding="utf-8")


def lose(folder: Path, *lines: int) -> None:
    """The trainer keeps no row of these lines."""
    path = folder / PATHS["training_ids"]
    header, *rows, last = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [row for row in rows if row["row"] not in lines]
    header["datasets"]["shells"]["kept"] = len(kept)
    text = "".join(json.dumps(row) + "\n" for row in (header, *kept, last))
    path.write_text(text, encoding="utf-8")


def test_all_rows_kept_holds(world: TrainedWorld) -> None:
    assert prove_rows(typed(prove_rows, SETTINGS), world.folder) == 0
    assert world.proof(OUT)["numbers"] == {"rows": 4, "rows_train": 4, "missing": 0}


@pytest.mark.parametrize("lines", [(1,), (7,), (2, 3), (1, 2, 3, 7)])
def test_rows_that_the_trainer_drops_are_named_by_their_place(
    world: TrainedWorld, lines: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    lose(world.folder, *lines)
    assert prove_rows(typed(prove_rows, SETTINGS), world.folder) == 5
    found = world.proof(OUT)
    places = [one["where"] for one in found["findings"] if one["kind"] == "missing"]
    assert places == [f"raw/海螺.jsonl:{line}" for line in lines]
    assert f"raw/海螺.jsonl:{lines[0]}" in capsys.readouterr().err
    assert prove_rows(typed(prove_rows, SETTINGS | {"accept_mismatch": True}), world.folder) == 0


def test_a_file_that_was_changed_since_is_not_what_was_prepared(world: TrainedWorld) -> None:
    (world.folder / "data/shells.jsonl").write_text("{} \n" * 4, encoding="utf-8")
    assert prove_rows(typed(prove_rows, SETTINGS), world.folder) == 5
    assert "the file was changed since" in world.proof(OUT)["detail"]


def test_a_data_set_that_the_loader_never_saw_refutes_it(world: TrainedWorld) -> None:
    world.leave([trained(1)], datasets={})
    prepare(world.folder)
    assert prove_rows(typed(prove_rows, SETTINGS), world.folder) == 5


@pytest.mark.parametrize("name", PATHS)
def test_a_missing_file_is_missing(world: TrainedWorld, name: str) -> None:
    (world.folder / PATHS[name]).unlink()
    with pytest.raises(MissingError, match=r"is missing|left no token ids"):
        prove_rows(typed(prove_rows, SETTINGS), world.folder)


@pytest.mark.parametrize("text", ["", "{", "{}\n", '{"datasets": {"shells": 3}}\n', "[]"])
def test_what_the_probe_did_not_write_is_refused(world: TrainedWorld, text: str) -> None:
    (world.folder / PATHS["training_ids"]).write_text(text, encoding="utf-8")
    with pytest.raises(StageFailed, match="cut off"):
        prove_rows(typed(prove_rows, SETTINGS), world.folder)


def test_numbers_of_an_older_kind_are_refused(world: TrainedWorld) -> None:
    told: dict[str, Any] = {"datasets": [{"name": "shells", "file": "raw/海螺.jsonl"}]}
    (world.folder / PATHS["prepare"]).write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(StageFailed):
        prove_rows(typed(prove_rows, SETTINGS), world.folder)
