"""`conch studio`: one server a project until a signal, and the keys of names."""
# Covers studio/server.py studio/keys.py

from __future__ import annotations

import importlib.util
import json
import signal
import urllib.request

import pytest

from orchestrator.execute.host.ports import free_port
from tests.small_world import SmallWorld
from tests.studio.world import wait_until


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status == 200  # type: ignore[no-any-return]  # of urllib
    except OSError:
        return False


def test_it_serves_until_ctrl_c_and_is_the_only_one(small: SmallWorld) -> None:
    port = free_port("127.0.0.1")
    child = small.start("studio", "--port", str(port))
    try:
        wait_until(lambda: answers(port) or child.poll() is not None)
        busy = small.run("studio", "--port", str(free_port("127.0.0.1")))
        assert (busy.code, "another studio" in busy.err) == (6, True)
    finally:
        child.send_signal(signal.SIGINT)
    assert child.wait(60) == 0, small.read("said.err")
    assert f"http://127.0.0.1:{port}/v1" in small.read("said.err")
    assert "Traceback" not in small.read("said.err")


def test_a_port_that_is_taken_is_told(small: SmallWorld) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        said = small.run("studio", "--port", str(other.getsockname()[1]))
    assert (said.code, "cannot listen" in said.err) == (3, True)


def test_keys_are_printed_once_and_stored_as_hashes(small: SmallWorld) -> None:
    said = small.run(
        "studio", "key", "add", "alice", "--scope", "inference,files", "--requests", "5", "--json"
    )
    made = said.envelope["data"]
    assert (made["scopes"], made["key"][:3]) == (["inference", "files"], "ck-")
    stored = b"".join(path.read_bytes() for path in (small.project / "runs/.studio").glob("studio.sqlite3*"))
    assert made["key"].encode() not in stored
    assert (small.project / "runs/.studio/studio.sqlite3").stat().st_mode & 0o077 == 0
    listed = small.run("studio", "key", "ls", "--json").envelope["data"]["keys"]
    assert [(one["name"], one["requests"]) for one in listed] == [("alice", 5)]
    assert made["key"] not in json.dumps(listed)
    assert small.run("studio", "key", "rm", listed[0]["key"]).code == 0
    assert small.run("studio", "key", "ls").out == "no keys\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "Alice!"), "a name has small letters"),
        (("add", "alice", "--scope", "trainin"), 'did you mean "training"'),
        (("rm", "nobody"), "no key of nobody"),
    ],
)
def test_a_mistake_is_told_and_makes_no_key(small: SmallWorld, words: tuple[str, ...], said: str) -> None:
    found = small.run("studio", "key", *words)
    assert (found.code in {2, 3}, said in found.err) == (True, True), found
    assert small.run("studio", "key", "ls").out == "no keys\n"


def test_without_its_libraries_it_says_what_installs_them(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    said = small.run("studio")
    assert (said.code, "make studio" in said.err) == (3, True), said
