"""vLLM's own stop ids of a model folder, for every way in which its files can say them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.execute import embedded
from orchestrator.execute.prove_stop import prove_stop
from orchestrator.execute.prove_truncation import prove_truncation
from tests.probes.run_folder import PROBES, RunFolder, run_python, turns

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def base() -> Path:
    return embedded.ensure_embedded(lambda _: None)


@pytest.fixture
def model(base: Path, tmp_path: Path) -> Path:
    """A copy of the embedded base without its weights: stop ids need none."""
    return Path(shutil.copytree(base, tmp_path / "模型", ignore=shutil.ignore_patterns("*.safetensors")))


def put(path: Path, **values: Any) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(found | values), encoding="utf-8")


def ask(python: Path, model: Path, *more: str) -> Any:
    out = model.parent / "facts" / "stop_ids.json"
    argv = [str(PROBES / "stop_ids.py"), "--model", str(model), "--out", str(out), *more]
    done = run_python(python, argv, model.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(out.read_text(encoding="utf-8"))


def test_both_files_count(serve_python: Path, model: Path) -> None:
    found = ask(serve_python, model)
    assert (found["stop_ids"], found["eos_token_id"]) == ([2, 4], 4)
    assert found["tokens"] == {"2": "<|im_end|>", "4": "<｜end▁of▁sentence｜>"}
    assert found["tokenizer_config"]["eos_token"] == "<｜end▁of▁sentence｜>"
    assert found["versions"]["vllm"].startswith("0.32.")


def test_a_wrong_eos_token_is_a_stop_id_too(serve_python: Path, model: Path) -> None:
    put(model / "tokenizer_config.json", eos_token="<|im_start|>")
    put(model / "generation_config.json", eos_token_id=4)
    found = ask(serve_python, model)
    assert (found["stop_ids"], found["eos_token_id"]) == ([1, 4], 1)


def test_without_a_generation_config_the_config_speaks(serve_python: Path, model: Path) -> None:
    (model / "generation_config.json").unlink()
    put(model / "config.json", eos_token_id=[2])
    found = ask(serve_python, model)
    assert found["stop_ids"] == [2, 4]
    assert found["generation_config"]["eos_token_id"] is None
    assert found["config"]["eos_token_id"] == [2]


def test_the_servers_own_choice_of_generation_config(serve_python: Path, model: Path) -> None:
    other = model.parent / "other"
    other.mkdir()
    (other / "generation_config.json").write_text('{"eos_token_id": [0]}', encoding="utf-8")
    config = model.parent / "vllm.yaml"
    config.write_text("generation-config: other\n", encoding="utf-8")
    assert ask(serve_python, model, "--config", str(config))["stop_ids"] == [0, 4]
    # "vllm" means its own sampling defaults; eos ids still come from the model.
    config.write_text("generation_config: vllm\n", encoding="utf-8")
    assert ask(serve_python, model, "--config", str(config))["stop_ids"] == [2, 4]


def test_a_file_that_is_none_is_refused(serve_python: Path, model: Path) -> None:
    (model / "generation_config.json").write_text("{", encoding="utf-8")
    argv = [str(PROBES / "stop_ids.py"), "--model", str(model), "--out", str(model.parent / "x.json")]
    done = run_python(serve_python, argv, model.parent)
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    problems = json.loads((model.parent / "problems.json").read_text(encoding="utf-8"))
    assert "cannot" in problems[0]["what"]
    assert not (model.parent / "x.json").exists()


def test_what_llamafactory_trains_against_where_vllm_stops(
    train_python: Path, serve_python: Path, model: Path, tmp_path: Path
) -> None:
    r"""smollm2 closes an answer with <|im_end|> and a newline, and leaves the tokenizer's eos as it was."""
    folder = RunFolder(tmp_path / "run", train_python, serve_python)
    rows = [
        turns("你是谁", "我是神奇海螺。", "几点开门？", "十点。"),
        turns("讲个故事", "从前" * 200),
        turns("a", "b <|im_end|> c"),
    ]
    folder.lay_out(model, rows, template="smollm2", cutoff_len=96, val_size=0.0)
    (folder.path / "data/prepare.json").write_text(
        json.dumps({"datasets": [{"name": "mine", "file": "海螺.jsonl"}]}), encoding="utf-8"
    )
    done = folder.train_ids()
    assert done.returncode == 0, done.stderr[-2000:]
    settings = {
        "training_ids": "training_ids.jsonl",
        "prepare": "data/prepare.json",
        "conversations": "data/conversations.jsonl",
        "stop_ids": "../facts/stop_ids.json",
        "base": "inputs/base",
        "out": "proof.json",
    }

    def proven(task: Callable[[Mapping[str, Any], Path], int], **more: Any) -> Any:
        code = task(settings | more, folder.path)
        found = json.loads((folder.path / "proof.json").read_text(encoding="utf-8"))
        assert code == (0 if found["holds"] else 5)
        return found

    assert ask(serve_python, model)["stop_ids"] == [2, 4]
    found = proven(prove_stop)
    assert "they end with <|im_end|> (2)" in found["covered"]
    told = {(one["kind"], one["where"]) for one in found["findings"]}
    assert ("stops early", "海螺.jsonl:2") in told
    assert ("cut before its stop token", "海螺.jsonl:1") in told
    assert (found["numbers"]["stopped"], found["numbers"]["cut_before_stop"]) == (3, 1)
    put(model / "generation_config.json", eos_token_id=4)
    assert ask(serve_python, model)["stop_ids"] == [4]
    found = proven(prove_stop)
    assert found["numbers"]["not_stopped"] == 3
    assert "the server stops only at <｜end▁of▁sentence｜> (4): it runs on" in found["detail"]
    found = proven(prove_truncation, limit=0.0)
    assert [one["where"] for one in found["findings"]] == ["海螺.jsonl:1"]
    assert found["numbers"]["cut_rows"] == 1
    # What it says would keep every row does.
    enough = found["numbers"]["cutoff_len_for_all"]
    trainer = yaml.safe_load((folder.path / "train.yaml").read_text(encoding="utf-8"))
    (folder.path / "train.yaml").write_text(
        yaml.safe_dump(trainer | {"cutoff_len": enough}), encoding="utf-8"
    )
    assert folder.train_ids().returncode == 0
    assert proven(prove_truncation, limit=0.0)["numbers"]["cut_rows"] == 0
