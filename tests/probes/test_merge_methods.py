"""The merge proof on each training method: every sound merge holds, every planted fault is named."""
# Covers probes/frozen.py probes/expand_blocks.py probes/lora.py probes/merge_rows.py

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.planted_methods import METHOD_CASES
from orchestrator.proofs import merge
from orchestrator.results import Sentence
from tests.probes import tiny_models as tiny
from tests.probes.run_folder import PROBES, run_python

pytestmark = pytest.mark.real  # torch of the train environment, started once

# One process for all of them: importing torch takes longer than every comparison.
EACH = f"""
import argparse, json, sys
from pathlib import Path
sys.path.insert(0, {str(PROBES)!r})
from merge_check import check
for folder in map(Path, sys.argv[1:]):
    names = {{name: str(folder / name) for name in ("base", "adapter", "export")}}
    more = dict(method=(folder / "method").read_text(), settings=str(folder / "train.yaml"), seed=0)
    (folder / "facts.json").write_text(json.dumps(check(argparse.Namespace(**names, **more))))
"""


@pytest.fixture(scope="module")
def facts(train_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("methods")
    folders = {name: root / str(number) for number, name in enumerate(METHOD_CASES)}
    for name, folder in folders.items():
        case = METHOD_CASES[name]()
        case.lay_out(folder)
        (folder / "method").write_text(case.method, encoding="utf-8")
    done = run_python(train_python, ["-c", EACH, *map(str, folders.values())], root)
    assert done.returncode == 0, done.stderr
    return {name: json.loads((folder / "facts.json").read_text()) for name, folder in folders.items()}


@pytest.mark.parametrize("name", METHOD_CASES)
def test_each_method(facts: dict[str, Any], name: str) -> None:
    proof = merge.prove(facts[name])
    case = METHOD_CASES[name]()
    assert case.wrong(proof) == ""
    assert not facts[name]["uncovered"]
    assert isinstance(proof.detail, Sentence)
    assert proof.detail.zh, "in Chinese, too"


def test_new_blocks_change_nothing_before_they_are_trained(train_python: Path, tmp_path: Path) -> None:
    model = {name.replace("up_proj", "o_proj"): rows for name, rows in tiny.base_model().items()}
    tiny.write_model(tmp_path / "base", model, shards=2)
    config = {"num_hidden_layers": 3, "layer_types": ["a", "b", "c"]}
    (tmp_path / "base/config.json").write_text(json.dumps(config), encoding="utf-8")
    argv = [str(PROBES / "expand_blocks.py"), "--base", "base", "--out", "out", "--blocks"]
    done = run_python(train_python, [*argv, "3"], tmp_path)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "out/config.json").read_text(encoding="utf-8"))
    assert written == {"num_hidden_layers": 6, "layer_types": ["a", "a", "b", "b", "c", "c"]}
    index = json.loads((tmp_path / "out/model.safetensors.index.json").read_text(encoding="utf-8"))
    assert {name.split(".")[2] for name in index["weight_map"] if "layers" in name} == set("012345")
    code = (
        "from safetensors import safe_open; import json\n"
        "f = {n: safe_open('out/' + p, 'pt').get_tensor(n) for n, p in"
        " json.load(open('out/model.safetensors.index.json'))['weight_map'].items()}\n"
        "zero = sorted(n for n, t in f.items() if not t.any())\n"
        "same = bool((f['model.layers.2.norm.weight'] == f['model.layers.3.norm.weight']).all())\n"
        "print(json.dumps([zero, same]))"
    )
    zero, same = json.loads(run_python(train_python, ["-c", code], tmp_path).stdout)
    ends = ("down_proj", "o_proj")
    assert zero == [f"model.layers.{at}.mlp.{end}.weight" for at in (1, 3, 5) for end in ends]
    assert same
    refused = run_python(train_python, [*argv, "2"], tmp_path)
    assert refused.returncode == 2
    assert "not a multiple of train.llama_pro: 2" in refused.stderr
