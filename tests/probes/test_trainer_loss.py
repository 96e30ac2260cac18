"""The trainer's own loss: which rows are scored, and that the adapter alone makes the difference."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator.execute.models import demo_model
from tests.probes import tiny_models as tiny
from tests.probes.run_folder import PROBES, Run, run_python, turns

ROW: dict[str, Any] = {"dataset": "mine", "cut": False, "lost": None, "uncovered": "", "held_out": False}
TURN = {"turn": 0, "start": 2, "end": 4, "cut": False}
OUT = "scores.jsonl"


def row(number: int, **more: Any) -> dict[str, Any]:
    return ROW | {"row": number, "ids": [1, 2, 3, 4], "turns": [TURN]} | more


def ids_file(path: Path, *rows: dict[str, Any]) -> Path:
    lines = [{"template": "qwen"}, *rows, {"pieces": {}}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_rows_are_spread_over_the_file_and_whole(probe: Callable[[str], ModuleType], tmp_path: Path) -> None:
    choose = probe("trainer_loss").choose
    unfit = [
        row(100, cut=True),
        row(101, lost={"tokens": 3, "turns": []}),
        row(102, uncovered="tools"),
        row(103, dataset="conch_generated"),
        row(104, ids=[1] * 16),
        row(105, turns=[]),
    ]
    held_out = [row(number, held_out=True) for number in (50, 51)]
    path = ids_file(tmp_path / "ids.jsonl", *unfit, *(row(number) for number in range(9)), *held_out)
    rows, eligible = choose(path, 3, 16)
    assert [each["row"] for each in rows] == [0, 4, 8, 50, 51]
    assert eligible == {"trained": 9, "held_out": 2}


def test_of_rated_rows_as_many_of_each_kind_are_scored(
    probe: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    rows = [row(number, liked=number < 9) for number in range(12)]
    path = ids_file(tmp_path / "ids.jsonl", *rows, row(20, liked=False, held_out=True))
    chosen, eligible = probe("trainer_loss").choose(path, 4, 16)
    assert [(each["row"], each["liked"]) for each in chosen[:4]] == [
        (0, True),
        (8, True),
        (9, False),
        (11, False),
    ]
    assert [each["row"] for each in chosen[4:]] == [20]
    assert eligible == {"trained": 12, "held_out": 1}


def test_of_a_long_document_its_beginning_is_scored(
    probe: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    long = {"ids": list(range(40)), "turns": [{"turn": 0, "start": 1, "end": 40, "cut": False}]}
    empty = {"ids": [1], "turns": [{"turn": 0, "start": 1, "end": 1, "cut": False}]}
    path = ids_file(tmp_path / "ids.jsonl", row(1, **long), row(2, **empty))
    path.write_text(
        path.read_text(encoding="utf-8").replace('qwen"', 'qwen", "blocks": {}', 1), encoding="utf-8"
    )
    (scored_row,), eligible = probe("trainer_loss").choose(path, 4, 16)
    assert scored_row["ids"] == list(range(15))
    assert scored_row["turns"] == [{"turn": 0, "start": 1, "end": 15, "cut": False}]
    assert eligible == {"trained": 1, "held_out": 0}


@pytest.mark.real
@pytest.mark.parametrize("text", [None, '{"dataset": 1}\n', '{"dataset"'])
def test_ids_that_are_none_are_refused(tmp_path: Path, train_python: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "ids.jsonl").write_text(text, encoding="utf-8")
    argv = ["train.yaml", "--adapter", "adapter", "--ids", "ids.jsonl", "--max-len", "512", "--out", OUT]
    done = run_python(train_python, [str(PROBES / "trainer_loss.py"), *argv], tmp_path)
    assert done.returncode == 2
    assert "not the training ids" in done.stderr
    assert not (tmp_path / OUT).exists()


@pytest.fixture
def folder(tmp_path: Path, train_python: Path) -> Run:
    """The embedded base, two rows, and their ids."""
    folder = Run(tmp_path / "run", train_python, train_python)
    talk = [turns("你是谁", "我是海螺。"), turns("一", "壹", "二", "贰")]
    folder.lay_out(demo_model.ensure_embedded(print), talk, finetuning_type="lora", lora_rank=2)
    done = folder.train_ids("mine")
    assert done.returncode == 0, done.stderr
    return folder


def scored(folder: Run, adapter: str) -> list[dict[str, Any]]:
    where = ["--adapter", adapter, "--ids", "training_ids.jsonl", "--max-len", "512", "--out", OUT]
    done = run_python(
        folder.train_python, [str(PROBES / "trainer_loss.py"), "train.yaml", *where], folder.path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in (folder.path / OUT).read_text(encoding="utf-8").splitlines()]


@pytest.mark.real
def test_the_adapter_and_nothing_else_makes_the_difference(folder: Run) -> None:
    module = "model.layers.29.mlp.down_proj"
    a, b = tiny.matrix(2, 1536, "A", 0.5), tiny.matrix(576, 2, "B", 0.5)
    silent = [[0.0, 0.0] for _ in b]
    config: dict[str, Any] = {"target_modules": ["down_proj"], "task_type": "CAUSAL_LM"}
    for name, right in (("adapter", b), ("silent", silent)):
        parts = {f"{tiny.PREFIX}{module}.lora_A.weight": a, f"{tiny.PREFIX}{module}.lora_B.weight": right}
        tiny.write_adapter(folder.path / name, parts, **config)
    header, *rows = scored(folder, "adapter")
    assert (header["compute_dtype"], header["method"]) == ("float32", "lora")
    assert header["eligible"] == {"trained": 2, "held_out": 0}
    assert [len(each["turns"]) for each in rows] == [1, 2]
    for each in rows:
        told = [p for turn in each["turns"] for p in turn["logprobs"]]
        assert each["loss"] == pytest.approx(-sum(told) / len(told), abs=1e-4)
        base = [p for turn in each["turns"] for p in turn["base_logprobs"]]
        assert each["base_loss"] == pytest.approx(-sum(base) / len(base), abs=1e-4)
        assert math.dist(told, base) > 1
    _, *idle = scored(folder, "silent")
    assert all(turn["logprobs"] == turn["base_logprobs"] for each in idle for turn in each["turns"])
    assert [each["base_loss"] for each in idle] == [each["base_loss"] for each in rows]


@pytest.mark.real
def test_a_full_training_is_scored_against_its_base(folder: Run) -> None:
    path = folder.path / "train.yaml"
    text = path.read_text(encoding="utf-8").replace("finetuning_type: lora", "finetuning_type: full")
    path.write_text(text, encoding="utf-8")
    header, *rows = scored(folder, "inputs/base")
    assert header["method"] == "full"
    assert all(each["loss"] == each["base_loss"] for each in rows)
