"""Scores of a reward model: the trainer's head and the converted export agree, and no head is made up."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator.execute.models import demo_model
from orchestrator.execute.models.reward_head import HEAD, VALUE_HEAD, make_scoring
from tests.probes import tiny_models as tiny
from tests.probes.run_folder import PROBES, Run, run_python

MODULE = "model.layers.29.mlp.down_proj"
OUT = "rewards.jsonl"
# The embedded base with the adapter merged, as `llamafactory-cli export` leaves it.
MERGE = """
import sys, pathlib, shutil
from safetensors.torch import load_file, save_file
base, adapter, export, module, scale = sys.argv[1:]
shutil.copytree(base, export)
weights, update = (load_file(f"{folder}/{name}") for folder, name in
    ((base, "model.safetensors"), (adapter, "adapter_model.safetensors")))
start = f"base_model.model.{module}"
product = update[f"{start}.lora_B.weight"] @ update[f"{start}.lora_A.weight"]
weights[f"{module}.weight"] = weights[f"{module}.weight"] + float(scale) * product
pathlib.Path(export, "model.safetensors").unlink()
save_file(weights, f"{export}/model.safetensors", metadata={"format": "pt"})
"""


def row(name: str, number: int, ids: list[int]) -> dict[str, Any]:
    turn = {"turn": 0, "start": len(ids) - 2, "end": len(ids), "cut": False}
    more = {"cut": False, "lost": None, "uncovered": "", "held_out": number % 2 == 1}
    return {"dataset": name, "row": number, "ids": ids, "turns": [turn], **more}


def test_a_pair_is_scored_only_with_both_answers(probe: Callable[[str], ModuleType]) -> None:
    rows = [row("mine", 0, [1, 2, 3]), row("mine/rejected", 0, [1, 2, 4]), row("mine", 1, [1, 2, 3])]
    assert [*probe("reward_scores").whole(rows)] == [(rows[0], rows[1])]


def test_a_pair_is_encoded_as_its_trainer_does(probe: Callable[[str], ModuleType]) -> None:
    found = probe("reward_scores").features(row("mine", 0, [1, 2, 3]), row("mine/rejected", 0, [1, 2]))
    assert (found["chosen_input_ids"], found["rejected_attention_mask"]) == ([1, 2, 3], [1, 1])


@pytest.fixture
def folder(tmp_path: Path, train_python: Path) -> Run:
    """The embedded base, an adapter with a value head, the export of both, and two pairs."""
    folder = Run(tmp_path / "run", train_python, train_python)
    base = demo_model.ensure_embedded(print)
    folder.lay_out(base, [], finetuning_type="lora", lora_rank=2)
    parts = {
        f"{tiny.PREFIX}{MODULE}.lora_A.weight": tiny.matrix(2, 1536, "A", 0.5),
        f"{tiny.PREFIX}{MODULE}.lora_B.weight": tiny.matrix(576, 2, "B", 0.5),
    }
    adapter, export = folder.path / "adapter", folder.path / "export"
    config: dict[str, Any] = {"target_modules": ["down_proj"], "task_type": "CAUSAL_LM"}
    tiny.write_adapter(adapter, parts, **config)
    words = [str(base), str(adapter), str(export), MODULE, str(tiny.ALPHA / tiny.RANK)]
    done = run_python(train_python, ["-c", MERGE, *words], folder.path)
    assert done.returncode == 0, done.stderr
    head = {"v_head.summary.weight": tiny.matrix(1, 576, "head"), "v_head.summary.bias": [[0.5]]}
    for place in (adapter, export):
        tiny.write(place / VALUE_HEAD, head)
        _flat_bias(place / VALUE_HEAD)
    make_scoring(export)
    texts = [[100, 200, 300, 2], [100, 200, 400, 500, 2], [7, 8, 9, 2], [7, 8, 10, 11, 12, 2]]
    names = [("mine", 0), ("mine/rejected", 0), ("mine", 1), ("mine/rejected", 1)]
    rows = [row(*name, ids) for name, ids in zip(names, texts, strict=True)]
    lines = [{"template": "deepseekr1"}, *rows, {"pieces": {}}]
    (folder.path / "ids.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return folder


def _flat_bias(path: Path) -> None:
    """A bias is a vector."""
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b'"shape": [1, 1]', b'"shape":    [1]'))


def score(folder: Run) -> subprocess.CompletedProcess[str]:
    words = [
        "--adapter",
        "adapter",
        "--export",
        "export",
        "--ids",
        "ids.jsonl",
        "--max-len",
        "64",
        "--out",
        OUT,
    ]
    return run_python(
        folder.train_python, [str(PROBES / "reward_scores.py"), "train.yaml", *words], folder.path
    )


@pytest.mark.real
def test_the_trainer_and_the_export_give_the_same_scores(folder: Run) -> None:
    done = score(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    header, *rows = [
        json.loads(line) for line in (folder.path / OUT).read_text(encoding="utf-8").splitlines()
    ]
    assert (header["compute_dtype"], header["eligible"]) == ("float32", {"trained": 1, "held_out": 1})
    assert [one["held_out"] for one in rows] == [False, True]
    scores = [(one[side], one[f"export_{side}"]) for one in rows for side in ("chosen", "rejected")]
    for mine, theirs in scores:
        assert mine == pytest.approx(theirs, abs=1e-4)
    assert len({round(mine, 3) for mine, _ in scores}) == 4


@pytest.mark.real
@pytest.mark.parametrize("lost", [f"adapter/{VALUE_HEAD}", f"export/{HEAD}"])
def test_fault_a_lost_head_is_refused_where_the_libraries_would_make_one_up(folder: Run, lost: str) -> None:
    (folder.path / lost).unlink()
    done = score(folder)
    assert done.returncode == 2
    assert f"has no {Path(lost).name}" in done.stderr
    assert not (folder.path / OUT).exists()
