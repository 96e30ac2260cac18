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


def pairs(world: TrainedWorld, *answers: tuple[str, str]) -> None:
    """Prepared pairs of "better" and "worse", and the two answers that the trainer has of each row."""
    pieces = {"1": "<begin>", "2": "better", "3": "worse", "9": "<end>"}
    ids = {text: int(number) for number, text in pieces.items()}
    lines: list[dict[str, Any]] = [
        {"datasets": {"shells": {"rows": len(answers), "kept": len(answers)}}, "template": "x"}
    ]
    talks: list[dict[str, Any]] = []
    for number, both in enumerate(answers, 1):
        for suffix, said, meant in zip(("", "/rejected"), both, ("better", "worse"), strict=True):
            place = {"dataset": "shells" + suffix, "row": number}
            turn = {"turn": 0, "start": 1, "end": 3, "cut": False}
            lines.append(place | {"ids": [1, ids[said], 9], "turns": [turn], "uncovered": ""})
            talks.append(
                place
                | {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": meant}]}
            )
    world.folder.joinpath("data/shells.jsonl").write_text("{}\n" * len(answers), encoding="utf-8")
    prepare(world.folder, len(answers))
    put(world, [*lines, {"pieces": pieces}], talks)


def put(world: TrainedWorld, ids: list[dict[str, Any]], talks: list[dict[str, Any]]) -> None:
    for name, rows in (("training_ids", ids), ("conversations", talks)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (world.folder / PATHS[name]).write_text(text, encoding="utf-8")


def test_pairs_that_the_trainer_has_the_wrong_way_round_are_named(world: TrainedWorld) -> None:
    pairs(world, ("better", "worse"), ("better", "worse"))
    assert prove_rows(typed(prove_rows, SETTINGS), world.folder) == 0
    pairs(world, ("better", "worse"), ("worse", "better"))
    assert prove_rows(typed(prove_rows, SETTINGS), world.folder) == 5
    found = world.proof(OUT)
    assert "in 1 rows the trainer takes the worse answer for the better one" in found["detail"]
    assert "raw/海螺.jsonl:2" in found["detail"]
    assert "较差的回答当成更好的" in found["detail_zh"]
    assert "check chosen, rejected and kto_tag" in found["hint"]
    # Two equal answers are no swap.
    pairs(world, ("better", "better"))
    assert prove_rows(typed(prove_rows, SETTINGS), world.folder) == 0


@pytest.mark.parametrize(("liked", "code"), [(True, 0), (False, 5)])
def test_a_rating_that_the_trainer_has_the_wrong_way_round_is_named(
    world: TrainedWorld, code: int, *, liked: bool
) -> None:
    place = {"dataset": "shells", "row": 1}
    turn = {"turn": 0, "start": 1, "end": 2, "cut": False}
    header = {"datasets": {"shells": {"rows": 4, "kept": 4}}, "template": "x"}
    row = place | {"ids": [1, 2], "turns": [turn], "uncovered": "", "liked": liked}
    talk = place | {"messages": [{"role": "assistant", "content": "x"}], "liked": True}
    put(world, [header, row, {"pieces": {"1": "a", "2": "x"}}], [talk])
    assert prove_rows(typed(prove_rows, SETTINGS), world.folder) == code
    assert ("a disliked one for liked" in world.proof(OUT)["detail"]) is (code == 5)
