"""`conch env`: environments are made, made only once, and failures say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from tests.execute.environments.environment_world import World, fake_uv, make_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path, monkeypatch)
    fake_uv(world, monkeypatch)
    return world


def test_sync_makes_both_and_says_where(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["env", "sync", "--hardware", "cpu", "--json"]) == 0
    out, err = capsys.readouterr()
    data = json.loads(out)["data"]
    assert data["hardware"] == "cpu"
    for name in registry.NAMES:
        assert Path(data["environments"][name]["folder"]) == registry.environment_folder(name, "cpu")
    assert "building the train environment" in err


def test_sync_of_one_makes_one_and_the_second_time_is_instant(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["env", "sync", "serve", "--hardware", "cuda"]) == 0
    assert [path.name[:10] for path in (world.home / "environments").glob("[!.]*")] == ["serve-cuda"]
    calls = len(world.calls())
    capsys.readouterr()
    assert main.run(["env", "sync", "serve", "--hardware", "cuda"]) == 0
    out, err = capsys.readouterr()
    assert "(0.0 s)" in out
    assert err == ""
    assert len(world.calls()) == calls


def test_a_benchmark_tool_is_made_when_it_is_named(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["env", "sync", "lm-eval", "--json"]) == 0
    out, err = capsys.readouterr()
    folder = registry.environment_folder("lm-eval", "any")
    assert json.loads(out)["data"]["environments"]["lm-eval"]["folder"] == str(folder)
    assert f"building the lm-eval environment at {folder}" in err
    assert not any("--no-build" in call for call in world.calls()), "some of its packages are source alone"


def test_what_is_missing_ends_it_with_3_and_the_fix(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "has_library", lambda _: False)
    assert main.run(["env", "sync", "serve", "--hardware", "cpu"]) == 3
    assert "apt install libnuma1" in capsys.readouterr().err


def test_an_unknown_environment_is_a_usage_error(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["env", "sync", "bake"]) == 2
    assert "'bake'" in capsys.readouterr().err


def test_lock_says_which_files_it_made(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engines = [f"{name}-{hardware}" for name in ("train", "serve", "ppo") for hardware in ("cpu", "cuda")]
    for name in (*engines, "evalscope-any", "lm-eval-any", "embedded"):
        (world.sources / f"{name}.in").write_text("pebble\n", encoding="utf-8")
    line = f"pebble==1 --hash=sha256:{'a' * 64}\n"
    fake_uv(world, monkeypatch, f"Path('out.txt').write_text({line!r})")
    assert main.run(["env", "compile", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["data"]["files"]) == 9
