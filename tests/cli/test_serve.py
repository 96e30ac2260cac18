"""`conch serve`: the last good export until Ctrl-C; what is lacking is said before anything starts."""

from __future__ import annotations

import json
import signal
import socket
import stat
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.execute.host.ports import free_port
from orchestrator.execute.run_store.server_record import hold_serving
from orchestrator.execute.servers import restarts
from orchestrator.execute.servers.liveness import Limits
from orchestrator.execute.serving import serve
from tests.forks import Forked
from tests.small_world import ROWS, SmallWorld

KEY = "sk-of-this-test"


def fetch(url: str, body: object = None, key: str = "") -> dict[str, object]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, data, headers)  # noqa: S310  loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        found: dict[str, object] = json.loads(answer.read())
    return found


@contextmanager
def serving(small: SmallWorld, *words: str, env: dict[str, str] | None = None) -> Iterator[Forked]:
    child = small.start("serve", "small", *words, env=env)
    try:
        deadline = time.monotonic() + 60
        while "ready in" not in small.read("said.err"):
            assert child.poll() is None, small.read("said.err")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield child
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def test_it_answers_under_the_recipes_name_until_ctrl_c(trained: SmallWorld) -> None:
    port = free_port("127.0.0.1", 0)
    with serving(trained, "--port", str(port), env={"CONCH_API_KEY": KEY}) as child:
        asked = {"model": "small", "messages": [{"role": "user", "content": "你是谁"}]}
        answer = fetch(f"http://127.0.0.1:{port}/v1/chat/completions", asked, KEY)
        assert ROWS["你是谁"] in json.dumps(answer, ensure_ascii=False)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            fetch(f"http://127.0.0.1:{port}/v1/models")
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0
    assert trained.processes() == []
    words = trained.read("said.err")
    assert "Traceback" not in words
    assert f"http://127.0.0.1:{port}/v1" in words
    for path in trained.last().path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path

    # The same export, the port taken by somebody else.
    with socket.create_server(("127.0.0.1", port)):
        said = trained.run("serve", "small", "--port", str(port))
    assert said.code == 3
    assert str(port) in said.err
    assert "--port" in said.err


def test_without_an_export_it_says_how_to_make_one(small: SmallWorld) -> None:
    said = small.run("serve", "small", "--json")
    assert said.code == 3
    assert said.envelope["problems"] == [
        {
            "what": "small has no finished export",
            "where": str(small.project / "runs/small"),
            "hint": "conch sft small",
        }
    ]


def test_an_open_address_needs_a_key(small: SmallWorld) -> None:
    said = small.run("serve", "small", "--host", "0.0.0.0")
    assert said.code == 3
    assert "open to the network" in said.err
    assert "CONCH_API_KEY" in said.err


@pytest.mark.parametrize("port", ["0", "65536", "many"])
def test_a_port_that_is_none_is_usage(small: SmallWorld, port: str) -> None:
    said = small.run("serve", "small", "--port", port)
    assert said.code == 2
    assert "conch serve --help" in said.err


def test_a_key_file_that_others_can_read_is_refused(small: SmallWorld, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY, encoding="utf-8")
    file.chmod(stat.S_IRUSR | stat.S_IROTH)
    said = small.run("serve", "small", "--key-file", str(file))
    assert said.code in (2, 3)
    assert str(file) in said.err
    assert KEY not in said.err


def test_a_template_that_was_not_proven_is_refused(trained: SmallWorld, tmp_path: Path) -> None:
    path = tmp_path / "official.jinja"
    path.write_text("{% for m in messages %}{{ m.content }}{% endfor %}", encoding="utf-8")
    said = trained.run("serve", "small", "--chat-template", str(path))
    assert said.code == 5, said.err
    assert "not the one that was proven" in said.err
    assert trained.processes() == []


def test_a_template_that_never_ends_is_refused_before_anything_starts(
    small: SmallWorld, tmp_path: Path
) -> None:
    path = tmp_path / "海螺.jinja"
    many = "{% for a in range(99999) %}" * 4 + "{% endfor %}" * 4
    path.write_text(f"\n{many}", encoding="utf-8")
    said = small.run("serve", "small", "--chat-template", str(path), "--accept-mismatch")
    assert said.code == 2
    assert f"{path}:2" in said.err
    assert "does not end" in said.err


def test_a_server_that_dies_is_started_again_a_few_times(
    trained: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "die-after-ready")
    monkeypatch.setattr(restarts, "DELAYS", (0.1, 0.1))
    said = trained.run("serve", "small", "--port", str(free_port("127.0.0.1", 0)))
    assert said.code == 4
    assert said.err.count("ready in") == 3
    assert said.err.count("restarting in") == 2
    assert [e["event"] for e in trained.last().events()].count("server_restarted") == 2
    never = trained.run(
        "serve", "small", "--set", "serve.restart=never", "--port", str(free_port("127.0.0.1", 0))
    )
    assert (never.code, never.err.count("ready in")) == (4, 1)
    assert trained.processes() == []


def test_a_server_that_never_came_up_is_not_started_again(
    trained: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "oom")
    said = trained.run("serve", "small", "--port", str(free_port("127.0.0.1", 0)))
    assert said.code in {3, 4}
    assert "restarting" not in said.err


def test_a_server_that_hangs_is_told_from_one_that_works(
    trained: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "wedge-after-ready")
    monkeypatch.setattr(serve, "LIMITS", Limits(look=0.1, stuck=0.5))
    said = trained.run(
        "serve", "small", "--set", "serve.restart=never", "--port", str(free_port("127.0.0.1", 0))
    )
    assert said.code == 7
    assert "the server is up, but hangs: 1 requests are waiting, and no token came" in said.err
    assert trained.processes() == []


def test_fault_127_a_server_takes_its_lock_before_it_sweeps(
    trained: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another `serve` of the run has just started is not taken for a leftover."""
    swept: list[object] = []
    monkeypatch.setattr(serve, "sweep_leftovers", lambda *found: swept.extend(found))
    with hold_serving(trained.last()):
        assert trained.run("serve", "small").code == 6
    assert swept == []
