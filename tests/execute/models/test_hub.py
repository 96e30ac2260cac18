"""The real huggingface_hub against a hub on this machine (faults 30-37): promise, refusal, interruption."""
# Covers execute/models/hub/ probes/hubs/download.py probes/hubs/huggingface.py hubs/

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from orchestrator.errors import MissingError, TimedOut, UsageError
from orchestrator.execute.models.hub import child, fetch_model, store
from orchestrator.execute.models.model_folder import hash_files, read_manifest
from tests.fakes.hub_server import Hub, Repository, serve, tiny_model

REPO = "Qwen/Tiny"
COMMIT = "c" * 40
WEIGHTS = "model.safetensors"
SCRIPT = """
import sys
from orchestrator.execute.models.hub import fetch_model
print(fetch_model(*sys.argv[1:], "huggingface", lambda line: print(line, flush=True)))
"""


@pytest.fixture
def hub(home: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("CONCH_HOME", str(models.parent))
    with serve() as running:
        running.repositories[REPO] = Repository(tiny_model())
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "conch-home" / "models"


def quiet(_: str) -> None:
    """Nobody waits."""


def fetch(revision: str = COMMIT, *, stall_timeout: float = 30.0) -> Path:
    return fetch_model(REPO, revision, "huggingface", quiet, stall_timeout=stall_timeout)


def process(revision: str = COMMIT) -> subprocess.Popen[str]:
    """fetch() in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, REPO, revision],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def half_a_snapshot(hub: Hub, models: Path) -> None:
    """Kill a fetch (-9) while its weights come."""
    hub.seconds_per_piece = 0.1
    running = process()
    piece = models / ".partial" / f"Qwen--Tiny-{COMMIT[:12]}" / f"{WEIGHTS}.part"
    until(lambda: piece.exists() and piece.stat().st_size > 100_000)
    children = psutil.Process(running.pid).children()
    running.kill()
    running.communicate()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert (len(gone), alive) == (1, []), "the download must end with whoever wanted it"
    hub.seconds_per_piece = 0
    hub.requests.clear()


def test_fault_031_a_branch_becomes_a_plain_folder_at_its_commit(hub: Hub, models: Path) -> None:
    told: list[str] = []
    place = fetch_model(REPO, "main", "huggingface", told.append)
    assert place == models / "Qwen--Tiny-cccccccccccc"
    assert names(place) == {"config.json", "tokenizer.json", WEIGHTS, "conch-model.json"}
    manifest = read_manifest(place)
    assert manifest is not None
    assert (manifest.name, manifest.source, manifest.revision) == (REPO, f"huggingface:{REPO}", COMMIT)
    weights = hub.repositories[REPO].files[WEIGHTS]
    assert manifest.files[WEIGHTS] == "sha256:" + hashlib.sha256(weights).hexdigest()
    assert not manifest.stand_in
    assert hash_files(place) == manifest.files
    assert any("3 files, 400." in line and hub.url in line for line in told)
    assert names(models / ".partial") == set()


def test_a_pinned_model_that_is_here_asks_nothing(hub: Hub) -> None:
    place = fetch()
    hub.requests.clear()
    assert fetch() == place
    assert hub.requests == []


@pytest.mark.parametrize(
    ("status", "code", "says", "hint"),
    [
        (403, "GatedRepo", "gated", "HF_TOKEN"),
        (401, "RepoNotFound", "no such model, or it is private", "HF_TOKEN"),
        (401, "", "refuses access (HTTP 401)", "HF_TOKEN"),
        (403, "", "refuses access (HTTP 403)", "accept its licence at https://huggingface.co/Qwen/Tiny"),
        (404, "RepoNotFound", "no such model", "check the name"),
        (500, "", "fails (HTTP 500)", "same command again"),
    ],
)
def test_fault_030_a_refusal_says_why_and_shows_no_token(  # noqa: PLR0917
    hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: str, says: str, hint: str
) -> None:
    monkeypatch.setenv("CONCH_HF_TOKEN_HOSTS", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "hf_CANARYcanary")
    hub.status, hub.error_code = status, code
    with pytest.raises(MissingError) as caught:
        fetch()
    problem = caught.value.problems[0]
    assert says in problem.what
    assert hint in problem.hint
    assert "CANARY" not in str(caught.value)
    assert hub.requests[0][2]["authorization"] == "Bearer hf_CANARYcanary"
    assert not (models / "Qwen--Tiny-cccccccccccc").exists()


def test_fault_031_an_unknown_revision_or_repository_is_named(hub: Hub) -> None:
    with pytest.raises(MissingError, match="has no revision 'v2'"):
        fetch("v2")
    with pytest.raises(MissingError, match="no such model"):
        fetch_model("Qwen/Other", "main", "huggingface", quiet)
    with pytest.raises(UsageError, match="not the name of a repository"):
        fetch_model("../evil", "main", "huggingface", quiet)
    with pytest.raises(UsageError, match=r'no hub .*"huggingface"'):
        fetch_model(REPO, "main", "hugingface", quiet)
    assert not hub.asked("evil")


def test_no_network_is_named_with_the_other_hubs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://user:secret@127.0.0.1:9")
    with pytest.raises(MissingError, match=r"cannot reach http://127\.0\.0\.1:9") as caught:
        fetch()
    assert "hub=modelscope" in caught.value.problems[0].hint
    assert "secret" not in str(caught.value)


def test_the_loopback_needs_no_proxy(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert fetch().is_dir()


def test_fault_032_a_killed_download_goes_on_where_it_stopped(hub: Hub, models: Path) -> None:
    half_a_snapshot(hub, models)
    assert not (models / "Qwen--Tiny-cccccccccccc").exists()
    place = fetch()
    ranges = [headers.get("Range", "") for _, _, headers in hub.asked(WEIGHTS, "GET")]
    assert len(ranges) == 1
    assert int(ranges[0].removeprefix("bytes=").removesuffix("-")) > 100_000
    assert names(place) == {"config.json", "tokenizer.json", WEIGHTS, "conch-model.json"}
    assert (place / WEIGHTS).read_bytes() == hub.repositories[REPO].files[WEIGHTS]
    assert names(models / ".partial") == set()


def test_fault_033_half_a_snapshot_is_never_used_when_the_hub_fails(hub: Hub, models: Path) -> None:
    half_a_snapshot(hub, models)
    hub.file_status = 503
    with pytest.raises(MissingError, match=r"fails \(HTTP 503\)"):
        fetch()
    assert not (models / "Qwen--Tiny-cccccccccccc").exists()
    hub.file_status = 0
    assert hash_files(fetch()) == (read_manifest(fetch()) or pytest.fail("no manifest")).files


def test_a_cut_connection_is_taken_up_again(hub: Hub) -> None:
    hub.cut_after[WEIGHTS] = 200_000
    assert (fetch() / WEIGHTS).read_bytes() == hub.repositories[REPO].files[WEIGHTS]
    assert len(hub.asked(WEIGHTS, "GET")) == 2


def test_the_token_is_not_shown_to_the_storage_behind_the_hub(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_CANARYcanary")
    monkeypatch.setenv("CONCH_HF_TOKEN_HOSTS", "127.0.0.1")
    hub.storage = True
    assert (fetch() / WEIGHTS).read_bytes() == hub.repositories[REPO].files[WEIGHTS]
    ((_, _, shown),) = hub.asked("/storage/")
    assert "authorization" not in {name.lower() for name in shown}


def test_fault_146_a_mirror_gets_the_token_only_if_it_is_named(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the variable nor the one that `hf auth login` has stored."""
    stored = tmp_path / "stored"
    stored.write_text("hf_CANARYstored", encoding="utf-8")
    monkeypatch.setenv("HF_TOKEN_PATH", str(stored))
    fetch()
    monkeypatch.setenv("HF_TOKEN", "hf_CANARYcanary")
    fetch("main")
    assert hub.requests
    assert hub.with_token() == []
    monkeypatch.setenv("CONCH_HF_TOKEN_HOSTS", "hf-mirror.com, 127.0.0.1")
    fetch("main")
    assert hub.with_token()


def test_fault_146_a_refusal_says_why_no_token_was_sent(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_CANARYcanary")
    hub.status, hub.error_code = 403, "GatedRepo"
    with pytest.raises(MissingError, match="gated") as caught:
        fetch()
    assert "gets it only by https and if CONCH_HF_TOKEN_HOSTS names its host" in str(caught.value)
    hub.status, hub.error_code = 503, ""
    with pytest.raises(MissingError) as caught:
        fetch()
    mirror = (
        "`export HF_ENDPOINT=https://hf-mirror.com` (which gets your HF_TOKEN only if CONCH_HF_TOKEN_HOSTS"
    )
    assert mirror in str(caught.value)


def test_fault_147_a_redirect_to_another_host_does_not_carry_the_token(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_CANARYcanary")
    monkeypatch.setenv("CONCH_HF_TOKEN_HOSTS", "127.0.0.1")
    hub.moved = True
    assert (fetch() / WEIGHTS).read_bytes() == hub.repositories[REPO].files[WEIGHTS]
    assert {sent["Host"].split(":")[0] for _, _, sent in hub.requests if "Host" in sent} == {
        "127.0.0.1",
        "localhost",
    }
    assert set(hub.with_token()) == {"127.0.0.1"}


def test_fault_034_a_wrong_hash_goes_to_quarantine_and_the_next_fetch_fixes_it(
    hub: Hub, models: Path
) -> None:
    hub.repositories[REPO].sha256[WEIGHTS] = "0" * 64
    with pytest.raises(MissingError, match="the hub lists 0000000000000000") as caught:
        fetch()
    (kept,) = (models / ".quarantine").rglob(WEIGHTS)
    assert str(kept) in str(caught.value)
    assert not (models / "Qwen--Tiny-cccccccccccc").exists()
    hub.repositories[REPO].sha256.clear()
    assert fetch().is_dir()


def test_a_model_that_is_not_whole_on_the_hub_is_refused(hub: Hub, models: Path) -> None:
    hub.repositories[REPO].files[WEIGHTS] = tiny_model()[WEIGHTS][:-1]
    with pytest.raises(MissingError, match="is truncated"):
        fetch()
    assert not (models / "Qwen--Tiny-cccccccccccc").exists()
    assert list((models / ".quarantine").rglob(WEIGHTS))


def test_code_is_refused_before_the_weights_come(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SMALL", 1000)
    config = {"architectures": ["Evil"], "auto_map": {"AutoModelForCausalLM": "modeling_evil.Evil"}}
    hub.repositories[REPO].files["config.json"] = json.dumps(config).encode()
    with pytest.raises(MissingError, match="auto_map"):
        fetch()
    assert not hub.asked(WEIGHTS)
    trusted = fetch_model(REPO, COMMIT, "huggingface", quiet, trust=True)
    assert {"modeling_evil.py", WEIGHTS} <= names(trusted)


def test_fault_035_a_dead_slow_hub_is_given_up(hub: Hub) -> None:
    hub.piece, hub.seconds_per_piece = 1, 0.2
    started = time.monotonic()
    with pytest.raises(TimedOut, match="sent next to nothing for 1 s"):
        fetch(stall_timeout=1.0)
    assert time.monotonic() - started < 10


def test_a_full_disk_is_seen_before_anything_comes(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "orchestrator.execute.models.hub.cache.shutil.disk_usage", lambda _: SimpleNamespace(free=1_000_000)
    )
    with pytest.raises(MissingError, match=r"256\.4 MB needed, 1\.0 MB free"):
        fetch()
    assert not hub.asked("/resolve/")


def test_fault_037_of_two_processes_one_downloads_and_one_waits(hub: Hub) -> None:
    hub.seconds_per_piece = 1.0
    first = process()
    until(lambda: bool(hub.asked(WEIGHTS, "GET")))
    second = process()
    assert second.stdout is not None
    line = second.stdout.readline() + second.stdout.readline()
    hub.seconds_per_piece = 0
    said = [one.communicate()[0].splitlines()[-1] for one in (first, second)]
    assert "another process is downloading" in line
    assert [first.returncode, second.returncode] == [0, 0]
    assert said[0] == said[1]
    assert len(hub.asked(WEIGHTS, "GET")) == 1


def test_a_folder_that_was_damaged_is_fetched_again(hub: Hub, models: Path) -> None:
    place = fetch()
    os.truncate(place / WEIGHTS, 1000)
    assert fetch() == place
    (place / "tokenizer.json").write_text('{"evil": 1}', encoding="utf-8")
    assert fetch() == place
    assert (place / "tokenizer.json").read_text(encoding="utf-8") == "{}"
    assert (place / WEIGHTS).read_bytes() == hub.repositories[REPO].files[WEIGHTS]
    assert list((models / ".quarantine").rglob(WEIGHTS))


def test_progress_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "REPORT_SECONDS", 0.3)
    hub.seconds_per_piece = 0.05
    told: list[str] = []
    fetch_model(REPO, COMMIT, "huggingface", told.append)
    assert any(re.fullmatch(r"  [\d.]+ kB of 400\.\d kB, [\d.]+ kB/s, \d+ s left", line) for line in told)


def test_a_home_that_cannot_be_written_is_named(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    (home / "file").touch()
    monkeypatch.setenv("CONCH_HOME", str(home / "file"))
    with pytest.raises(MissingError, match="cannot write") as caught:
        fetch()
    assert "CONCH_HOME" in caught.value.problems[0].hint
