"""Rows come one by one, with their place; what is made up, held out or dropped is not among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.proving.probe_files import TrainedRows
from tests.execute.proving.trained_world import PATHS, TrainedWorld, trained


@pytest.fixture
def world(tmp_path: Path) -> TrainedWorld:
    return TrainedWorld(tmp_path)


def opened(folder: Path, *, talk: bool = True) -> TrainedRows:
    names = [*PATHS] if talk else [*PATHS][:2]
    return TrainedRows.open(*(folder / PATHS[name] for name in names))


def test_rows_know_where_they_come_from(world: TrainedWorld) -> None:
    world.leave([trained(2), trained(9)], {9: "蟹黄堡"})
    rows = opened(world.folder)
    assert [(row.where, row.messages[1]["content"]) for row in rows] == [
        ("data/海螺.jsonl:2", "海螺"),
        ("data/海螺.jsonl:9", "蟹黄堡"),
    ]
    assert (rows.header["cutoff_len"], rows.pieces[6]) == (512, "ä½ł")


def test_what_is_not_trained_is_passed_over(world: TrainedWorld) -> None:
    generated = [trained(1, dataset="conch_generated"), trained(1, dataset="conch_held_out", held_out=True)]
    world.leave([trained(2), trained(3, held_out=True), *generated])
    rows = opened(world.folder, talk=False)
    assert [row.where for row in rows] == ["data/海螺.jsonl:2"]
    assert rows.passed_over == {"rows held out of training": 1}


def test_conversations_that_the_trainer_dropped_are_skipped(world: TrainedWorld) -> None:
    world.leave([trained(1), trained(2), trained(3)], {3: "第三行"})
    ids = world.folder / PATHS["training_ids"]
    lines = ids.read_text(encoding="utf-8").splitlines(keepends=True)
    ids.write_text("".join([lines[0], *lines[3:]]), encoding="utf-8")
    (row,) = opened(world.folder)
    assert row.messages[1]["content"] == "第三行"


def test_a_row_without_its_conversation_is_an_error(world: TrainedWorld) -> None:
    world.leave([trained(1), trained(2)])
    talks = world.folder / PATHS["conversations"]
    talks.write_text(talks.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(StageFailed, match="shells row 2 is not in"):
        list(opened(world.folder))


@pytest.mark.parametrize("name", PATHS)
def test_a_missing_file_is_missing(world: TrainedWorld, name: str) -> None:
    world.leave([trained(1)])
    (world.folder / PATHS[name]).unlink()
    with pytest.raises(MissingError, match=r"is missing|left no token ids"):
        opened(world.folder)


@pytest.mark.parametrize("keep", [0, 10, 400, -3])
def test_a_file_that_is_cut_off_is_refused(world: TrainedWorld, keep: int) -> None:
    world.leave([trained(line) for line in range(1, 9)])
    ids = world.folder / PATHS["training_ids"]
    ids.write_bytes(ids.read_bytes()[:keep])
    with pytest.raises(StageFailed, match="cut off"):
        list(opened(world.folder))


def test_the_pieces_are_found_behind_megabytes(world: TrainedWorld) -> None:
    world.leave([trained(line, range(1000)) for line in range(1, 1500)])
    rows = opened(world.folder, talk=False)
    assert rows.pieces[5] == "Ċ"
    assert sum(1 for _ in rows) == 1499
