"""Which files of a repository are taken, what the downloader gets to know, and what it says."""
# Covers probes/hubs/failures.py

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.environments import registry
from orchestrator.execute.models.hub import child, choice, protocol
from orchestrator.execute.models.hub.protocol import Event, HubRequest, Listing, RemoteFile
from orchestrator.hubs import HUBS


def listing(*paths: str) -> Listing:
    return Listing("c" * 40, tuple(RemoteFile(path, 10) for path in paths))


def test_engines_files_are_taken_and_nothing_else() -> None:
    wanted = ["config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "merges.txt"]
    wanted += ["tokenizer.model", "chat_template.jinja", "LICENSE"]
    other = ["original/params.json", "x.gguf", "pytorch_model.bin", "pytorch_model.bin.index.json", "run.py"]
    other += [".gitattributes", "consolidated.safetensors", "fp16/model.safetensors", "image.png"]
    chosen = choice.model_files(listing(*wanted, *other), repo="a/b")
    assert [file.path for file in chosen] == wanted


@pytest.mark.parametrize("paths", [[], ["config.json", "pytorch_model.bin"], ["model.gguf"]])
def test_a_repository_without_safetensors_is_refused(paths: list[str]) -> None:
    with pytest.raises(MissingError, match="no safetensors"):
        choice.model_files(listing(*paths), repo="a/b")


@pytest.mark.parametrize(
    ("paths", "split", "chosen"),
    [
        (["README.md", ".gitattributes", "dataset_infos.json", "海螺.jsonl"], "", "海螺.jsonl"),
        (["data/train.jsonl", "data/test.jsonl"], "", "data/train.jsonl"),
        (["data/train.jsonl", "data/test.jsonl"], "test", "data/test.jsonl"),
        (["zh/train-00000-of-00001.JSON", "constraint.json"], "", "zh/train-00000-of-00001.JSON"),
    ],
)
def test_the_one_data_file_or_that_of_the_split(paths: list[str], split: str, chosen: str) -> None:
    (file,) = choice.sole_data_file(listing(*paths), repo="a/b", split=split)
    assert file.path == chosen


@pytest.mark.parametrize(
    ("paths", "split", "says", "hint"),
    [
        (["README.md", "load.py"], "", "has no data file", "supported formats: .jsonl"),
        (
            ["a.jsonl", "b.jsonl"],
            "",
            "none of its 2 data files is named after the split train",
            "a.jsonl, b.js",
        ),
        (["a.jsonl"], "test", "none of its 1 data files is named after the split test", "a.jsonl"),
        (["zh/train.json", "en/train.json"], "", "has 2 files of the split train", "en/train.json, zh/tr"),
    ],
)
def test_several_that_may_be_meant_are_named(paths: list[str], split: str, says: str, hint: str) -> None:
    with pytest.raises(MissingError, match=says) as caught:
        choice.sole_data_file(listing(*paths), repo="a/b", split=split)
    assert hint in caught.value.problems[0].hint


@pytest.mark.parametrize("path", ["/etc/x.json", "a/../../x.json", "a\\..\\x.json", "a\0.json"])
def test_a_listing_cannot_write_outside_its_folder(path: str) -> None:
    with pytest.raises(MissingError, match="outside itself"):
        choice.model_files(listing("model.safetensors", path), repo="a/b")


@pytest.mark.parametrize("name", ["", "a/b/c", "../b", "a b", "-rf", "a/..", "海螺/b", "a/b\n", "x" * 300])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        choice.check_repo(name)


def test_the_downloader_knows_what_it_needs_and_no_more() -> None:
    given_ = {
        "HF_TOKEN": "t",
        "OPENAI_API_KEY": "k",
        "HF_ENDPOINT": "https://hf-mirror.com",
        "CONCH_HF_TOKEN_HOSTS": "hf-mirror.com",
        "PYTHONPATH": "/x",
    }
    seen = protocol.child_environment(HUBS["huggingface"], given_ | {"NO_PROXY": "corp"})
    assert (seen["HF_TOKEN"], seen["HF_HUB_DISABLE_XET"]) == ("t", "1")
    assert {"corp", "127.0.0.1", "localhost"} <= set(seen["NO_PROXY"].split(","))
    assert not {"OPENAI_API_KEY", "PYTHONPATH"} & set(seen)
    assert "HF_HUB_DISABLE_XET" not in protocol.child_environment(
        HUBS["huggingface"], {"HF_ENDPOINT": "https://huggingface.co/"}
    )


def test_messages_hold_no_secret() -> None:
    event: Event = {"kind": "other", "status": 0, "what": "GET https://me:pw@proxy/x with hf_CANARY failed"}
    request = HubRequest(HUBS["huggingface"], "a/b")
    error = protocol.error_of(request, event, "https://huggingface.co", "hf_CANARY")
    assert "CANARY" not in str(error)
    assert "pw@" not in str(error)
    assert "***@proxy" in str(error)


@given(st.text(), st.integers(0, 999))
def test_every_failure_has_words(kind: str, status: int) -> None:
    event: Event = {"kind": kind, "status": status, "what": "x"}
    assert protocol.error_of(HubRequest(HUBS["modelscope"], "a/b"), event, "e", "").problems[0].hint


class GatedRepoError(Exception):
    """Named like huggingface_hub's."""


def explain() -> Callable[[BaseException], dict[str, Any]]:
    spec = importlib.util.spec_from_file_location("failures", child.SCRIPT.with_name("failures.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[BaseException], dict[str, Any]] = module.explain
    return found


def test_a_failure_is_known_by_what_lies_behind_it() -> None:
    tell = explain()
    outer = RuntimeError("the library's words")
    outer.__cause__ = GatedRepoError("403")
    assert tell(outer)["kind"] == "gated"
    assert tell(OSError(28, "No space left on device"))["errnos"] == [28]
    assert tell(ConnectionRefusedError("no"))["kind"] == "network"
    assert tell(ValueError("what?"))["kind"] == "other"


def test_modelscope_is_looked_for_in_the_train_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    train = tmp_path_factory.mktemp("train")
    monkeypatch.setattr(child, "find_spec", lambda name: None if name == "modelscope_hub" else object())
    monkeypatch.setattr(registry, "require", lambda *_: train)
    assert child.python_for(HUBS["huggingface"], "cpu") == sys.executable
    with pytest.raises(MissingError, match="modelscope_hub is not installed") as caught:
        child.python_for(HUBS["modelscope"], "cpu")
    assert "conch env sync train" in caught.value.problems[0].hint
    (train / "lib/python3.11/site-packages/modelscope_hub").mkdir(parents=True)
    assert child.python_for(HUBS["modelscope"], "cpu") == str(train / "bin" / "python")
