"""The fetch task: what lies under inputs/ afterwards, from a folder, from a hub, and the embedded base."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConchError, MissingError, UsageError
from orchestrator.execute.models import demo_model
from orchestrator.execute.models.fetch import fetch
from orchestrator.execute.models.hub import fetch_dataset_file
from orchestrator.execute.models.model_folder import MANIFEST, hash_files
from orchestrator.plan.stages.fetch import FetchSettings, HubDataset
from tests.fakes.hub_server import Hub, Repository, serve, tiny_model


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A model folder of the user's, with a space and Chinese in its path."""
    folder = tmp_path / "我的 模型"
    folder.mkdir()
    for name, content in tiny_model().items():
        if "/" not in name:
            (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def settings_of(
    base: str, hub: str, *, tokenizer: str = "published", datasets: tuple[HubDataset, ...] = ()
) -> FetchSettings:
    return FetchSettings(
        base=base, hub=hub, revision=None, hardware="cpu", tokenizer=tokenizer, datasets=datasets
    )


def manifest_of(run: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads(
        (run / "inputs.partial-0" / "base.json").read_text(encoding="utf-8")
    )
    return loaded


def test_a_folder_is_linked_and_never_written_into(run: Path, mine: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in mine.iterdir()}
    (run / "inputs.partial-0").mkdir()
    (run / "inputs.partial-0" / "left-over").touch()
    assert fetch(settings_of(str(mine), "local"), run) == 0
    inputs = run / "inputs.partial-0"
    assert sorted(path.name for path in inputs.iterdir()) == ["base", "base.json", "data"]
    assert (inputs / "base").readlink() == mine
    manifest = manifest_of(run)
    assert (manifest["name"], manifest["source"], manifest["stand_in"]) == ("我的 模型", "local", False)
    assert manifest["files"] == hash_files(mine)
    assert {path.name: path.stat().st_mtime_ns for path in mine.iterdir()} == before


def test_a_corrected_tokenizer_is_a_base_of_links_beside_the_users_own(run: Path, mine: Path) -> None:
    published = '{"tokenizer_class": "LlamaTokenizerFast"}'
    (mine / "tokenizer_config.json").write_text(published, encoding="utf-8")
    before = hash_files(mine)
    assert fetch(settings_of(str(mine), "local", tokenizer="corrected"), run) == 0
    base = run / "inputs.partial-0" / "base"
    assert not base.is_symlink()
    assert (base / "model.safetensors").readlink() == (mine / "model.safetensors").resolve()
    config = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert hash_files(mine) == before
    assert manifest_of(run)["files"] == hash_files(base) != before


def test_a_folder_that_lacks_something_leaves_no_inputs(run: Path, mine: Path) -> None:
    (mine / "tokenizer.json").unlink()
    with pytest.raises(MissingError, match="has no tokenizer"):
        fetch(settings_of(str(mine), "local"), run)
    with pytest.raises(MissingError, match="no model folder"):
        fetch(settings_of(str(mine / "gone"), "local"), run)
    assert list(run.iterdir()) == []


def test_a_model_and_a_data_file_of_a_hub(hub: Hub, run: Path) -> None:
    hub.repositories["Qwen/Tiny"] = Repository(tiny_model())
    hub.repositories["bikini/conch"] = Repository({"data/a.jsonl": b"{}\n"}, commit="d" * 40)
    row = HubDataset(
        name="conch", hub="huggingface", repo="bikini/conch", revision="main", file="data/a.jsonl"
    )
    assert fetch(settings_of("Qwen/Tiny", "huggingface", datasets=(row,)), run) == 0
    inputs = run / "inputs.partial-0"
    assert (inputs / "base" / "model.safetensors").is_file()
    assert manifest_of(run)["revision"] == "c" * 40
    assert (inputs / "data" / "conch").read_bytes() == b"{}\n"


def test_the_embedded_base_keeps_its_label(run: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    label = {"name": "embedded", "stand_in": True, "note": "a stand-in", "files": {}}
    (mine / MANIFEST).write_text(json.dumps(label), encoding="utf-8")
    monkeypatch.setattr(demo_model, "ensure_embedded", lambda *_: mine)
    assert fetch(settings_of("embedded", "huggingface"), run) == 0
    assert manifest_of(run) == label


def test_a_data_file_of_a_hub(hub: Hub) -> None:
    rows = '{"instruction": "请问你是谁", "output": "我是神奇海螺"}\n'.encode()
    hub.repositories["bikini/conch"] = Repository({"data/a.jsonl": rows, "empty.jsonl": b""})
    path = fetch_dataset_file("bikini/conch", "data/a.jsonl", "main", "huggingface", print)
    assert path.read_bytes() == rows
    assert path.name == "a.jsonl"
    for filename, kind, says in [
        ("b.jsonl", MissingError, "has no file 'b.jsonl'"),
        ("empty.jsonl", MissingError, "is empty"),
        ("load.py", UsageError, "not a data file"),
        ("../../x.jsonl", UsageError, "not a data file"),
    ]:
        with pytest.raises(ConchError, match=says) as caught:
            fetch_dataset_file("bikini/conch", filename, "main", "huggingface", print)
        assert isinstance(caught.value, kind)


def test_the_one_data_file_of_a_hub_s_data_set_is_found(
    hub: Hub, run: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = '{"instruction": "请问你是谁", "output": "我是神奇海螺"}\n'.encode()
    files = {"README.md": b"# x\n", "data/train.jsonl": rows, "data/test.jsonl": b"{}\n"}
    hub.repositories["bikini/conch"] = Repository(files)
    dataset = HubDataset(name="conch", hub="huggingface", repo="bikini/conch", revision="c" * 40, file="")
    assert fetch(settings_of(str(mine), "local", datasets=(dataset,)), run) == 0
    assert (run / "inputs.partial-0/data/conch").read_bytes() == rows
    assert "the data file of bikini/conch: data/train.jsonl" in capsys.readouterr().err
    hub.requests.clear()
    again = fetch_dataset_file("bikini/conch", "", "c" * 40, "huggingface", print)
    assert (again.name, hub.requests) == ("train.jsonl", [])
    test = fetch_dataset_file("bikini/conch", "", "main", "huggingface", print, split="test")
    assert test.read_bytes() == b"{}\n"


def test_a_fetched_data_file_that_was_emptied_is_fetched_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.execute.models.hub.store.SMALL", 1)
    hub.repositories["bikini/conch"] = Repository({"a.jsonl": b"{}\n"})
    path = fetch_dataset_file("bikini/conch", "a.jsonl", "c" * 40, "huggingface", print)
    path.write_bytes(b"")
    assert (
        fetch_dataset_file("bikini/conch", "a.jsonl", "c" * 40, "huggingface", print).read_bytes() == b"{}\n"
    )


@pytest.mark.parametrize(("config", "refused"), [({}, True), ({"tie_word_embeddings": False}, False)])
def test_a_base_with_tied_embeddings_is_refused_where_it_could_not_be_saved(
    mine: Path, run: Path, config: dict[str, object], *, refused: bool
) -> None:
    path = mine / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | config), encoding="utf-8")
    settings = replace(settings_of(str(mine), "local"), untied=True)
    if not refused:
        assert fetch(settings, run) == 0
        return
    with pytest.raises(UsageError, match="ties its embeddings: LLaMA-Factory") as caught:
        fetch(settings, run)
    assert caught.value.problems[0].hint == "set train.method: lora"
