"""The real modelscope against a hub on this machine: promise, refusal, interruption.

Its library lives in the train environment where ours has none, so these run where that environment is.
"""
# Covers probes/hubs/modelscope.py

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.models.hub import child, fetch_dataset_file, fetch_model, protocol, store
from orchestrator.execute.models.model_folder import MANIFEST, hash_files, read_manifest
from orchestrator.hubs import HUBS
from tests.fakes.hub_server import Hub, Repository, serve, tiny_model

pytestmark = pytest.mark.real
REPO = "Qwen/Tiny"
COMMIT = "c" * 40
WEIGHTS = "model.safetensors"


@pytest.fixture
def python() -> str:
    """The Python that has modelscope."""
    return child.python_for(HUBS["modelscope"], "cpu")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str) -> Iterator[Hub]:
    monkeypatch.setattr(store, "python_for", lambda *_: python)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CONCH_HOME", str(tmp_path / "conch-home"))
    monkeypatch.setenv("MODELSCOPE_DOWNLOAD_MAX_RETRIES", "0")
    for name in ("MODELSCOPE_CACHE", "MODELSCOPE_HOME", "MODELSCOPE_DOMAIN"):
        monkeypatch.delenv(name, raising=False)
    with serve() as running:
        running.repositories[REPO] = Repository(tiny_model())
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", running.url)
        yield running


def quiet(_: str) -> None:
    """Nobody waits."""


def fetch(revision: str = "main") -> Path:
    return fetch_model(REPO, revision, "modelscope", quiet, stall_timeout=30.0)


def test_a_branch_becomes_a_plain_folder_at_its_commit(hub: Hub) -> None:
    place = fetch()  # "main" is called master there
    assert {path.name for path in place.iterdir()} == {"config.json", "tokenizer.json", WEIGHTS, MANIFEST}
    manifest = read_manifest(place)
    assert manifest is not None
    assert (manifest.source, manifest.revision) == (f"modelscope:{REPO}", COMMIT)
    assert hash_files(place) == manifest.files
    hub.requests.clear()
    assert fetch(COMMIT) == place
    assert hub.requests == []


def test_refusals(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingError, match="has no revision 'v2'"):
        fetch("v2")
    with pytest.raises(MissingError, match="no such model"):
        fetch_model("Qwen/Other", "main", "modelscope", quiet)
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms-CANARY")
    for status in (401, 403):
        hub.status = status
        with pytest.raises(MissingError, match=rf"refuses access \(HTTP {status}\)") as caught:
            fetch()
        assert "MODELSCOPE_API_TOKEN" in caught.value.problems[0].hint
        assert "CANARY" not in str(caught.value)
    hub.status = 500
    with pytest.raises(MissingError, match=r"fails \(HTTP 500\)"):
        fetch()


def test_fault_147_the_token_goes_to_a_named_host_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its library sends it as a cookie too, which requests would carry to another host."""
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms-CANARY")
    fetch()
    assert hub.requests
    assert hub.with_token() == []
    monkeypatch.setenv("CONCH_HF_TOKEN_HOSTS", "127.0.0.1")
    hub.moved = True
    fetch_model(REPO, "master", "modelscope", quiet, trust=True)
    assert set(hub.with_token()) == {"127.0.0.1"}


def test_a_wrong_hash_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[REPO].sha256["config.json"] = "0" * 64
    with pytest.raises(MissingError, match="differs from the hub's listing"):
        fetch()
    assert not (tmp_path / "conch-home" / "models" / "Qwen--Tiny-cccccccccccc").exists()


def test_a_killed_download_goes_on_where_it_stopped(hub: Hub, tmp_path: Path, python: str) -> None:
    content = bytes(range(256)) * 12_000  # the library writes whole megabytes
    hub.repositories[REPO].files[WEIGHTS] = content
    hub.piece, hub.seconds_per_piece = 256 * 1024, 0.1
    into = tmp_path / "into"
    with half_open(into, python) as first:
        until(lambda: any(path.stat().st_size >= 1 << 20 for path in into.rglob(f"{WEIGHTS}*")))
        first.kill()
    hub.seconds_per_piece = 0
    hub.requests.clear()
    request = protocol.HubRequest(HUBS["modelscope"], REPO, "model", "main")
    with child.HubChild(request, python) as second:
        wanted = [file for file in second.listing().files if file.path == WEIGHTS]
        second.download(into, wanted, quiet)
    assert (into / WEIGHTS).read_bytes() == content
    ranges = [headers["Range"] for _, _, headers in hub.asked("FilePath=model") if "Range" in headers]
    assert len(ranges) == 1


@contextmanager
def half_open(into: Path, python: str) -> Iterator[subprocess.Popen[bytes]]:
    """A downloader that has been told to bring the weights."""
    environment = protocol.child_environment(HUBS["modelscope"], os.environ)
    with subprocess.Popen([python, str(child.SCRIPT)], stdin=-1, stdout=-1, env=environment) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        client = str(child.SCRIPT.with_name("modelscope.py"))
        request = {"client": client, "repo": REPO, "kind": "model", "revision": "main"}
        running.stdin.write(json.dumps(request).encode() + b"\n")
        running.stdin.flush()
        assert json.loads(running.stdout.readline())["event"] == "listed"
        running.stdin.write(json.dumps({"into": str(into), "files": [WEIGHTS]}).encode() + b"\n")
        running.stdin.flush()
        yield running


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_a_data_file(hub: Hub) -> None:
    hub.repositories["bikini/conch"] = Repository(
        {f"{n:03}.jsonl": b"{}" for n in range(250)} | {"data/a.jsonl": b"{}\n"}
    )
    path = fetch_dataset_file("bikini/conch", "data/a.jsonl", "", "modelscope", quiet)
    assert path.read_bytes() == b"{}\n"
