"""Finding uv, what it sees of the user's environment, and how its lines and failures are passed on."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import pytest

from orchestrator.errors import Interrupted, MissingError
from orchestrator.execute.environments import uv
from orchestrator.execute.host import signals
from tests.execute.environments.environment_world import World, fake_uv, make_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_uv_is_looked_for_from_the_nearest_place_outwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    monkeypatch.setattr(uv, "PROJECT", tmp_path / "clone")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    with pytest.raises(MissingError) as caught:
        uv.find()
    assert "make setup" in caught.value.problems[0].hint
    expected = [
        program(tmp_path / "path" / "uv"),
        program(tmp_path / "clone" / ".uv" / "bin" / "uv"),
        program(tmp_path / "venv" / "bin" / "uv"),
    ]
    for path in reversed(expected):
        assert uv.find() == path
        Path(path).unlink()
    monkeypatch.setenv("CONCH_UV", program(tmp_path / "mine"))
    assert uv.find() == str(tmp_path / "mine")


def test_a_conch_uv_that_cannot_run_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONCH_UV", str(tmp_path / "no"))
    with pytest.raises(MissingError, match="is not executable"):
        uv.find()


def test_the_user_s_mirrors_reach_uv_and_an_active_environment_does_not() -> None:
    given = {"UV_DEFAULT_INDEX": "m", "HTTPS_PROXY": "p", "VIRTUAL_ENV": "v", "PYTHONPATH": "x"}
    assert uv.child_environment(given) == {"UV_DEFAULT_INDEX": "m", "HTTPS_PROXY": "p"}


def test_pip_s_mirror_is_uv_s_unless_uv_has_its_own() -> None:
    assert uv.child_environment({"PIP_INDEX_URL": "pip"})["UV_DEFAULT_INDEX"] == "pip"
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        assert uv.child_environment({"PIP_INDEX_URL": "pip", name: "uv"}).get("UV_DEFAULT_INDEX") != "pip"


def test_the_cpu_build_comes_from_find_links_or_from_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", " wheels  https://page.example/torch ")
    assert uv.wheel_sources("cpu") == (str(Path("wheels").absolute()), "https://page.example/torch")
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert uv.wheel_sources("cpu") == (uv.PYTORCH_CPU,)
    assert uv.wheel_sources("cuda") == ()


def test_its_lines_are_passed_on_without_the_list_of_packages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(world, monkeypatch, r"sys.stderr.write('Resolved 2\n + a==1\n~\rDownloading 螺\nrest')")
    said: list[str] = []
    uv.run([], folder=world.home.parent, progress=said.append, purpose="x")
    assert said == ["uv: Resolved 2", "uv: ~", "uv: Downloading 螺", "uv: rest"]


def test_fault_175_a_silence_is_broken_and_no_line_comes_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_uv(world, monkeypatch, "time.sleep(3)")
    monkeypatch.setattr(uv, "HEARTBEAT", 0.2)
    said: list[str] = []
    uv.run([], folder=world.home.parent, progress=said.append, purpose="download much")
    assert said[0].startswith("still running after ")
    assert said[0].endswith(" s: download much")
    assert len(said) < 6, "twice as long each time"
    assert len(set(said)) == len(said)


def test_a_failure_carries_the_end_of_what_uv_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_uv(world, monkeypatch, "print(*range(40), sep='\\n'); sys.exit(2)")
    with pytest.raises(MissingError) as caught:
        uv.run([], folder=world.home.parent, progress=print, purpose="sing")
    what = caught.value.problems[0].what
    assert what.startswith("uv could not sing (exit code 2)")
    assert what.endswith("    39")
    assert "    27" not in what


def test_a_signal_ends_the_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_uv(world, monkeypatch, "print('up', flush=True); time.sleep(600)")

    def told(line: str) -> None:
        if line == "uv: up":
            threading.Timer(0.1, lambda: signal.raise_signal(signal.SIGINT)).start()

    with signals.catch_signals(), pytest.raises(Interrupted):
        uv.run([], folder=world.home.parent, progress=told, purpose="wait")
