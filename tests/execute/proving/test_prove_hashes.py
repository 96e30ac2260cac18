"""What lies in a run folder is hashed when training ends and again when it is asked; nothing hides."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.models.model_folder import MANIFEST, Manifest, hash_files
from orchestrator.execute.proving.offline_proofs import prove_hashes
from orchestrator.execute.run_store.record_hashes import record_hashes
from orchestrator.execute.runner.task import typed
from tests.small_world import make_base

OUT = "proofs/export/hashes.json"
PLACES: dict[str, Any] = {
    "base": "inputs/base",
    "manifest": "inputs/base.json",
    "chat_template": "chat_template.jinja",
    "train_yaml": "train.yaml",
    "data": ["data/dataset_info.json", "data/海螺.jsonl"],
    "environments": {"train": "sha256:1"},
}
RECORD = PLACES | {"adapter": "adapter.partial-0", "out": "hashes.json"}
PROVE = PLACES | {"adapter": "adapter", "hashes": "hashes.json", "export": "export", "out": OUT}
GENERATION = {"eos_token_id": [4, 2], "transformers_version": "5.5.4"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose training has just ended, with its lock and its export."""
    store = tmp_path / "模型 store"
    make_base(store)
    (store / "generation_config.json").write_text(json.dumps(GENERATION), encoding="utf-8")
    run = tmp_path / "run"
    for name in ("inputs", "data", "adapter.partial-0/checkpoint-5"):
        (run / name).mkdir(parents=True)
    (run / "inputs/base").symlink_to(store, target_is_directory=True)
    manifest = Manifest(name="store", source="local", files=hash_files(store)).to_json()
    (run / "inputs/base.json").write_text(manifest, encoding="utf-8")
    shutil.copy(store / "model.safetensors", run / "adapter.partial-0/adapter_model.safetensors")
    (run / "adapter.partial-0/trainer_log.jsonl").write_text("{}\n", encoding="utf-8")
    (run / "adapter.partial-0/checkpoint-5/optimizer.pt").write_bytes(b"x")
    for name in PLACES["data"]:
        (run / name).write_text("{}\n", encoding="utf-8")
    (run / "chat_template.jinja").write_text("{{ '海螺' }}\n{{ x }}\n", encoding="utf-8")
    (run / "train.yaml").write_text("seed: 1\n", encoding="utf-8")
    assert record_hashes(typed(record_hashes, RECORD), run) == 0
    (run / "adapter.partial-0").rename(run / "adapter")
    shutil.copytree(store, run / "export")
    shutil.copy(run / "chat_template.jinja", run / "export")
    return run


def proven(run: Path, **more: Any) -> tuple[int, Any]:
    code = prove_hashes(typed(prove_hashes, PROVE | more), run)
    return code, json.loads((run / OUT).read_text(encoding="utf-8"))


def test_it_holds_at_once_and_later(run: Path) -> None:
    code, found = proven(run)
    assert (code, found["name"], found["holds"], found["findings"]) == (0, "hashes", True, [])
    assert proven(run, export="")[0] == 0, "before there is an export"


def test_what_nobody_reads_may_change(run: Path) -> None:
    (run / "adapter/trainer_log.jsonl").write_text("more", encoding="utf-8")
    (run / "adapter/README.md").write_text("more", encoding="utf-8")
    (run / "inputs/base/README.md").write_text("more", encoding="utf-8")
    shutil.rmtree(run / "adapter/checkpoint-5")
    assert proven(run)[0] == 0


def flip(path: Path) -> None:
    """Change the last byte; size and times stay."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("inputs/base/model.safetensors", "the base's weights: changed"),
        ("inputs/base/tokenizer.json", "the base's tokenizer: changed"),
        ("adapter/adapter_model.safetensors", "the adapter's weights: changed"),
        ("data/海螺.jsonl", "the training data: changed"),
        ("train.yaml", "train.yaml: changed"),
    ],
)
def test_one_byte_is_found_behind_size_time_and_manifest(run: Path, name: str, says: str) -> None:
    flip(run / name)
    code, found = proven(run)
    assert code == 5
    assert found["detail"].startswith(f"{name}: {says}")
    assert proven(run, accept_mismatch=True)[0] == 0


def test_one_newline_in_the_template(run: Path) -> None:
    text = (run / "chat_template.jinja").read_text(encoding="utf-8")
    (run / "export/chat_template.jinja").write_text(text.replace("\n", "\n\n", 1), encoding="utf-8")
    code, found = proven(run)
    assert code == 5
    assert r"line 2: '{{ x }}\n' → '\n'" in found["detail"]


def test_the_exports_generation_config(run: Path) -> None:
    path = run / "export/generation_config.json"
    path.write_text(json.dumps({"eos_token_id": [2, 4], "transformers_version": "6"}), encoding="utf-8")
    assert proven(run)[0] == 0
    path.write_text(json.dumps({"eos_token_id": 2}), encoding="utf-8")
    code, found = proven(run)
    assert code == 5
    assert "eos_token_id is 2, training had [4, 2]" in found["detail"]


def test_a_link_that_leads_to_another_revision(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run / "inputs/base", tmp_path / "other"))
    flip(other / "model.safetensors")
    manifest = Manifest(name="store", source="local", revision="b" * 40)
    (other / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    (run / "inputs/base").unlink()
    (run / "inputs/base").symlink_to(other, target_is_directory=True)
    code, found = proven(run)
    assert code == 5
    assert "the base is another revision" in found["detail"]
    assert [one["where"] for one in found["findings"]] == ["inputs/base", "inputs/base/model.safetensors"]


def test_a_shard_swapped_before_training_ended(run: Path) -> None:
    (run / "adapter").rename(run / "adapter.partial-0")
    flip(run / "inputs/base/model.safetensors")
    assert record_hashes(typed(record_hashes, RECORD), run) == 0, (
        "hours of training are not thrown away: the proof says it"
    )
    (run / "adapter.partial-0").rename(run / "adapter")
    code, found = proven(run)
    assert code == 5
    assert "differed from the fetched file when training ended" in found["detail"]


def test_training_every_weight_leaves_its_own_generation_config(run: Path) -> None:
    (run / "adapter").rename(run / "adapter.partial-0")
    own = json.dumps({"eos_token_id": [9, 4, 2]})
    (run / "adapter.partial-0/generation_config.json").write_text(own, encoding="utf-8")
    record_hashes(typed(record_hashes, RECORD), run)
    (run / "adapter.partial-0").rename(run / "adapter")
    assert proven(run)[0] == 5
    (run / "export/generation_config.json").write_text(own, encoding="utf-8")
    assert proven(run)[0] == 0


def test_a_base_without_a_generation_config(run: Path) -> None:
    (run / "inputs/base/generation_config.json").unlink()
    config = run / "inputs/base/config.json"
    config.write_text(json.dumps({**json.loads(config.read_bytes()), "eos_token_id": 4}), encoding="utf-8")
    files = hash_files(run / "inputs/base")
    (run / "inputs/base.json").write_text(Manifest(name="store", files=files).to_json(), encoding="utf-8")
    record_hashes(typed(record_hashes, RECORD | {"adapter": "adapter"}), run)
    made = {"_from_model_config": True, "eos_token_id": 4, "transformers_version": "5.5.4"}
    (run / "export/generation_config.json").write_text(json.dumps(made), encoding="utf-8")
    assert proven(run)[0] == 0


@pytest.mark.parametrize("place", ["base", "adapter", "chat_template"])
def test_nothing_to_record_is_an_error(run: Path, place: str) -> None:
    with pytest.raises(MissingError, match="nothing to record"):
        record_hashes(typed(record_hashes, RECORD | {"adapter": "adapter", place: "nowhere"}), run)


def test_a_lock_that_is_missing_or_none(run: Path) -> None:
    for text in ("{", "[]", '{"files": 1}', '{"unknown": {}}'):
        (run / "hashes.json").write_text(text, encoding="utf-8")
        with pytest.raises(StageFailed, match="cannot be read"):
            prove_hashes(typed(prove_hashes, PROVE), run)
    (run / "hashes.json").unlink()
    with pytest.raises(MissingError, match="no model hashes were recorded"):
        prove_hashes(typed(prove_hashes, PROVE), run)


def test_no_export_is_missing(run: Path) -> None:
    shutil.rmtree(run / "export")
    with pytest.raises(MissingError, match="there is no export"):
        prove_hashes(typed(prove_hashes, PROVE), run)


@pytest.fixture
def in_the_way(run: Path) -> Callable[[str], Path]:
    def put(name: str) -> Path:
        path = run / name
        path.write_text("", encoding="utf-8")
        return path

    return put


def test_an_interruption_leaves_the_old_lock(run: Path, in_the_way: Callable[[str], Path]) -> None:
    before = (run / "hashes.json").read_bytes()
    in_the_way("blocked")
    with pytest.raises(MissingError):
        record_hashes(
            typed(record_hashes, RECORD | {"adapter": "adapter", "out": "blocked/hashes.json"}), run
        )
    assert (run / "hashes.json").read_bytes() == before
