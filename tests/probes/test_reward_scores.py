"""Scores of a reward model: the trainer's head and the converted export agree, and no head is made up."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.planted_rewards import REWARD_FAULTS, RewardFault
from benchmarks.planted_run import Planted
from orchestrator.execute.models import demo_model
from orchestrator.execute.models.reward_head import HEAD, VALUE_HEAD, make_scoring
from orchestrator.proofs import merge
from tests.probes import tiny_models as tiny
from tests.probes.run_folder import PROBES, Run, run_python

MODULE = "model.layers.29.mlp.down_proj"
OUT = "rewards.jsonl"
WORDS = ["--adapter", "adapter", "--export", "export", "--ids", "ids.jsonl", "--max-len", "64", "--out", OUT]
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
    for place in (adapter, export):
        write_value_head(place, 576)
    make_scoring(export)
    texts = [[100, 200, 300, 2], [100, 200, 400, 500, 2], [7, 8, 9, 2], [7, 8, 10, 11, 12, 2]]
    names = [("mine", 0), ("mine/rejected", 0), ("mine", 1), ("mine/rejected", 1)]
    rows = [row(*name, ids) for name, ids in zip(names, texts, strict=True)]
    lines = [{"template": "deepseekr1"}, *rows, {"pieces": {}}]
    (folder.path / "ids.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return folder


def write_value_head(folder: Path, width: int) -> None:
    """The value head that LLaMA-Factory leaves."""
    head = {"v_head.summary.weight": tiny.matrix(1, width, "head"), "v_head.summary.bias": [[0.5]]}
    tiny.write(folder / VALUE_HEAD, head)
    raw = (folder / VALUE_HEAD).read_bytes()  # a bias is a vector
    (folder / VALUE_HEAD).write_bytes(raw.replace(b'"shape": [1, 1]', b'"shape":    [1]'))


@pytest.mark.real
@pytest.mark.parametrize("fault", [None, *(one for one in REWARD_FAULTS if not one.live)])
def test_the_merge_proof_compares_the_head_with_the_trained_one(
    tmp_path: Path, train_python: Path, fault: RewardFault | None
) -> None:
    base, update = tiny.base_model(), tiny.adapter()
    tiny.write_model(tmp_path / "base", base)
    tiny.write_adapter(tmp_path / "adapter", update)
    export = tmp_path / "export"
    tiny.write_model(export, tiny.merged(base, update))
    config = {"model_type": "llama", "dtype": "float32", "architectures": ["LlamaForCausalLM"]}
    (export / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for place in (tmp_path / "adapter", export):
        write_value_head(place, tiny.WIDTH)
    make_scoring(export)
    with ExitStack() as undo:
        if fault:
            fault.plant(Planted(tmp_path, undo))
        words = [f"--{name}={name}" for name in ("base", "adapter", "export")]
        argv = [str(PROBES / "merge_check.py"), *words, "--method", "lora", "--out", "facts.json"]
        done = run_python(train_python, argv, tmp_path)
    assert done.returncode == 0, done.stderr
    proof = merge.prove(json.loads((tmp_path / "facts.json").read_text(encoding="utf-8")))
    assert proof.holds is (fault is None), proof.detail
    assert all(word in proof.detail for word in (fault.words if fault else ()))


@pytest.mark.real
def test_the_trainer_and_the_export_give_the_same_scores(folder: Run) -> None:
    argv = [str(PROBES / "reward_scores.py"), "train.yaml", *WORDS]
    done = run_python(folder.train_python, argv, folder.path)
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


@pytest.mark.parametrize("lost", [f"adapter/{VALUE_HEAD}", f"export/{HEAD}"])
def test_fault_a_lost_head_is_refused_where_the_libraries_would_make_one_up(
    tmp_path: Path, lost: str
) -> None:
    for file in (f"adapter/{VALUE_HEAD}", f"export/{HEAD}"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    (tmp_path / lost).unlink()
    done = run_python(
        Path(sys.executable), [str(PROBES / "reward_scores.py"), "train.yaml", *WORDS], tmp_path
    )
    assert done.returncode == 2
    assert f"has no {Path(lost).name}: it would score at random" in done.stderr
    assert not (tmp_path / OUT).exists()
