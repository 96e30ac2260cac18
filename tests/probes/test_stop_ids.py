"""vLLM's own stop ids of a model folder, for every way in which its files can say them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from orchestrator.execute.models import demo_model
from orchestrator.execute.proving.offline_proofs import prove_stop, prove_truncation
from orchestrator.execute.runner.task import typed
from tests.probes.run_folder import PROBES, Run, run_many, run_python, turns

pytestmark = pytest.mark.real


# Name → what is written into a copy of the embedded base, file by file (None: the file is taken away), and
# the server's vllm.yaml.
FOLDERS: dict[str, tuple[dict[str, dict[str, Any] | None], str]] = {
    "as it is": ({}, ""),
    "other eos token": (
        {"tokenizer_config": {"eos_token": "<|im_start|>"}, "generation_config": {"eos_token_id": 4}},
        "",
    ),
    "one generation id": ({"generation_config": {"eos_token_id": 4}}, ""),
    "no generation config": ({"generation_config": None, "config": {"eos_token_id": [2]}}, ""),
    "generation config elsewhere": ({}, "generation-config: other\n"),
    "generation config of vllm": ({}, "generation_config: vllm\n"),
}


def copied(folder: Path) -> Path:
    """A copy of the embedded base without its weights: stop ids need none."""
    base = demo_model.ensure_embedded(lambda _: None)
    return Path(shutil.copytree(base, folder / "模型", ignore=shutil.ignore_patterns("*.safetensors")))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, serve_python: Path) -> Path:
    """A folder for each of FOLDERS, with its stop_ids.json: vLLM imported once for them all."""
    home, jobs = tmp_path_factory.mktemp("stops"), []
    for name, (changes, config) in FOLDERS.items():
        place = home / name
        model = copied(place)
        for stem, values in changes.items():
            path = model / f"{stem}.json"
            if values is None:
                path.unlink()
            else:
                known = json.loads(path.read_text(encoding="utf-8"))
                path.write_text(json.dumps(known | values), encoding="utf-8")
        (place / "other").mkdir()
        (place / "other/generation_config.json").write_text('{"eos_token_id": [0]}', encoding="utf-8")
        (place / "vllm.yaml").write_text(config, encoding="utf-8")
        jobs.append((place, ["--model", model.name, "--config", "vllm.yaml", "--out", "stop_ids.json"]))
    run_many(serve_python, "stop_ids", jobs)
    return home


def told(asked: Path, name: str) -> Any:
    return json.loads((asked / name / "stop_ids.json").read_text(encoding="utf-8"))


def test_both_files_count(asked: Path) -> None:
    found = told(asked, "as it is")
    assert (found["stop_ids"], found["eos_token_id"]) == ([2, 4], 4)
    assert found["tokens"] == {"2": "<|im_end|>", "4": "<｜end▁of▁sentence｜>"}
    assert found["tokenizer_config"]["eos_token"] == "<｜end▁of▁sentence｜>"
    assert found["versions"]["vllm"].startswith("0.32.")


def test_a_wrong_eos_token_is_a_stop_id_too(asked: Path) -> None:
    found = told(asked, "other eos token")
    assert (found["stop_ids"], found["eos_token_id"]) == ([1, 4], 1)


def test_without_a_generation_config_the_config_speaks(asked: Path) -> None:
    found = told(asked, "no generation config")
    assert found["stop_ids"] == [2, 4]
    assert found["generation_config"]["eos_token_id"] is None
    assert found["config"]["eos_token_id"] == [2]


def test_the_servers_own_choice_of_generation_config(asked: Path) -> None:
    assert told(asked, "generation config elsewhere")["stop_ids"] == [0, 4]
    # "vllm" means its own sampling defaults; eos ids still come from the model.
    assert told(asked, "generation config of vllm")["stop_ids"] == [2, 4]


def test_a_file_that_is_none_is_refused(serve_python: Path, tmp_path: Path) -> None:
    model = copied(tmp_path)
    (model / "generation_config.json").write_text("{", encoding="utf-8")
    argv = [str(PROBES / "stop_ids.py"), "--model", str(model), "--out", str(model.parent / "x.json")]
    done = run_python(serve_python, argv, model.parent)
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    problems = json.loads((model.parent / "problems.json").read_text(encoding="utf-8"))
    assert "cannot" in problems[0]["what"]
    assert not (model.parent / "x.json").exists()


def test_what_llamafactory_trains_against_where_vllm_stops(
    train_python: Path, serve_python: Path, asked: Path, tmp_path: Path
) -> None:
    r"""smollm2 closes an answer with <|im_end|> and a newline, and leaves the tokenizer's eos as it was."""
    folder = Run(tmp_path / "run", train_python, serve_python)
    rows = [
        turns("你是谁", "我是神奇海螺。", "几点开门？", "十点。"),
        turns("讲个故事", "从前" * 200),
        turns("a", "b <|im_end|> c"),
    ]
    folder.lay_out(copied(tmp_path), rows, template="smollm2", cutoff_len=96)
    (folder.path / "data/prepare.json").write_text(
        json.dumps({"datasets": [{"name": "mine", "file": "海螺.jsonl"}]}), encoding="utf-8"
    )
    done = folder.train_ids()
    assert done.returncode == 0, done.stderr[-2000:]
    settings = {
        "training_ids": "training_ids.jsonl",
        "prepare": "data/prepare.json",
        "conversations": "data/conversations.jsonl",
        "stop_ids": str(asked / "as it is/stop_ids.json"),
        "base": "inputs/base",
        "out": "proof.json",
    }

    def proven(task: Callable[[Any, Path], int], **more: Any) -> Any:
        known = {field.name for field in fields(get_type_hints(task)["settings"])}
        mine = {key: value for key, value in (settings | more).items() if key in known}
        code = task(typed(task, mine), folder.path)
        found = json.loads((folder.path / "proof.json").read_text(encoding="utf-8"))
        assert code == (0 if found["holds"] else 5)
        return found

    found = proven(prove_stop)
    assert "they end with <|im_end|> (2)" in found["covered"]
    told = {(one["kind"], one["where"]) for one in found["findings"]}
    assert ("stops early", "海螺.jsonl:2") in told
    assert ("cut before its stop token", "海螺.jsonl:1") in told
    assert (found["numbers"]["stopped"], found["numbers"]["cut_before_stop"]) == (3, 1)
    found = proven(prove_stop, stop_ids=str(asked / "one generation id/stop_ids.json"))
    assert found["numbers"]["not_stopped"] == 3
    assert "the server stops only at <｜end▁of▁sentence｜> (4): it continues" in found["detail"]
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
