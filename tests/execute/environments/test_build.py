"""Making an environment: by the real uv from local wheels; what is missing, and what ends it too early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.environments import build, registry, uv
from orchestrator.execute.host import machine
from orchestrator.execute.host.atomic_files import remove, sha256_file
from tests.execute.environments.environment_world import World, fake_uv, make_world, package, site_packages, wheelhouse

HANGS = "if words[0] == 'venv': venv()\nelse: time.sleep(600)"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


@pytest.fixture
def tiny(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The train environment is one tiny package and one shim, to be had from a local folder."""

    def run(words: list[str], *, folder: Path) -> None:
        uv.run(words, folder=folder, progress=print, purpose="build")

    wheels = tmp_path / "wheels"
    (world.sources / "train-cpu.txt").write_text(wheelhouse(wheels, run, "pebble"), encoding="utf-8")
    package(world.sources / "shims" / "ripple", "ripple", version="2.0+none")
    monkeypatch.setitem(registry.SHIMS, ("train", "cpu"), ("ripple",))
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return world


def syncing(world: World, name: str = "train") -> subprocess.Popen[str]:
    """Another process that makes an environment from this world's files."""
    code = f"""
import sys
from pathlib import Path
from orchestrator.execute.environments import build, registry
from orchestrator.execute.host import signals
from orchestrator.errors import ConchError, exit_code_of
registry.SOURCES = Path({str(world.sources)!r})
registry.SHIMS = dict.fromkeys(registry.SHIMS, ())
try:
    with signals.catch_signals():
        build.sync({name!r}, "cpu", lambda line: print(line, flush=True))
except ConchError as error:
    print(error)
    sys.exit(exit_code_of(error))
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def no_orphans(world: World) -> Iterator[None]:
    """End the fake uvs that a killed process of a test could not end."""
    yield
    for line in world.calls():
        with suppress(ProcessLookupError):
            os.kill(int(line[1:].partition(",")[0]), signal.SIGKILL)


def left(world: World) -> list[str]:
    return sorted(path.name for path in (world.home / "environments").glob("[!.]*"))


def test_an_environment_is_made_from_hashed_files_and_its_shims(tiny: World) -> None:
    said: list[str] = []
    folder = build.sync("train", "cpu", said.append)
    code = "import pebble, ripple, importlib.metadata as m; print(pebble.WHO, m.version('ripple'))"
    done = subprocess.run([folder / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pebble", "2.0+none"]
    assert list(site_packages(folder).glob("pebble/__pycache__/*.pyc")), "bytecode was not compiled"
    assert left(tiny) == [folder.name]
    assert any("building the train environment" in line for line in said)


def test_its_programs_run_where_it_came_to_lie(tiny: World) -> None:
    folder = build.sync("train", "cpu", print)
    script = folder / "bin" / "pebble-says"
    assert ".partial" not in script.read_text(encoding="utf-8")
    assert (
        subprocess.run([script], check=False, capture_output=True).stderr == b"pebble\n"
    )  # sys.exit("pebble")


def test_the_second_time_asks_nothing(tiny: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build.sync("train", "cpu", print)
    monkeypatch.setenv("CONCH_UV", "/nonexistent")
    said: list[str] = []
    assert build.sync("train", "cpu", said.append) == folder
    assert registry.require("train", "cpu") == folder
    assert said == []


def test_a_wheel_that_is_not_the_hashed_one_is_refused(tiny: World) -> None:
    file = tiny.sources / "train-cpu.txt"
    file.write_text(f"pebble==1.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    with pytest.raises(MissingError) as caught:
        build.sync("train", "cpu", print)
    assert "hash" in caught.value.problems[0].what.lower()
    assert left(tiny) == []


def test_a_package_that_would_be_built_from_source_is_refused(tiny: World, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    uv.run(
        ["build", "--sdist", "--offline", "--out-dir", str(wheels), str(package(tmp_path / "s", "rock"))],
        folder=tmp_path,
        progress=print,
        purpose="build",
    )
    line = f"rock==1.0 --hash={sha256_file(wheels / 'rock-1.0.tar.gz')}\n"
    (tiny.sources / "train-cpu.txt").write_text(line, encoding="utf-8")
    with pytest.raises(MissingError, match="rock"):
        build.sync("train", "cpu", print)


def test_where_torch_was_looked_for_is_said(
    tiny: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(empty))
    with pytest.raises(MissingError) as caught:
        build.sync("train", "cpu", print)
    assert f"PIP_FIND_LINKS ({empty})" in caught.value.problems[0].hint


def test_without_find_links_pytorch_s_own_page_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(world, monkeypatch, "venv() if words[0] == 'venv' else sys.exit('error: failed to fetch')")
    with pytest.raises(MissingError) as caught:
        build.sync("train", "cpu", print)
    assert "failed to fetch" in caught.value.problems[0].what
    assert uv.PYTORCH_CPU in caught.value.problems[0].hint
    assert f'"--find-links", "{uv.PYTORCH_CPU}"' in world.calls()[1]
    with pytest.raises(MissingError) as caught:
        build.sync("train", "cuda", print)
    assert "pytorch" not in caught.value.problems[0].hint


def test_a_missing_system_library_is_named_before_anything_is_fetched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(world, monkeypatch)
    monkeypatch.setitem(machine.LIBRARIES, ("serve", "cpu"), {"libnotthere.so.9": "apt install libnotthere9"})
    with pytest.raises(MissingError) as caught:
        build.sync("serve", "cpu", print)
    assert "libnotthere.so.9" in caught.value.problems[0].what
    assert caught.value.problems[0].hint == "apt install libnotthere9"
    assert world.calls() == []


def test_a_full_disk_is_said_with_both_numbers_before_any_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(world, monkeypatch)
    monkeypatch.setattr(machine, "free_gb", lambda _: 0.5)
    with pytest.raises(MissingError, match=r"needs about 3\.0 GB, 0\.5 GB are free"):
        build.sync("train", "cpu", print)
    assert world.calls() == []


@pytest.mark.usefixtures("no_orphans")
def test_a_kill_leaves_nothing_under_the_name_and_the_next_attempt_succeeds(
    tiny: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(tiny, monkeypatch, HANGS)
    with syncing(tiny) as child:
        wait_for(lambda: len(tiny.calls()) == 2)
        child.send_signal(signal.SIGKILL)
    assert len(left(tiny)) == 1
    assert ".partial-" in left(tiny)[0]
    monkeypatch.delenv("CONCH_UV")
    monkeypatch.setattr(registry, "SHIMS", dict.fromkeys(registry.SHIMS, ()))
    folder = build.sync("train", "cpu", print)
    assert left(tiny) == [folder.name]
    assert (site_packages(folder) / "pebble").is_dir()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_uv_and_clears_up(
    world: World, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals, code: int
) -> None:
    fake_uv(world, monkeypatch, HANGS)
    with syncing(world) as child:
        wait_for(lambda: len(world.calls()) == 2)
        child.send_signal(signum)
        assert child.wait(timeout=20) == code
    assert left(world) == []
    hung = int(world.calls()[1][1:].partition(",")[0])
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)


def test_two_at_once_make_it_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "if words[0] == 'venv': venv()\nelse: time.sleep(1.5)"
    fake_uv(world, monkeypatch, slow)
    with syncing(world) as first, syncing(world) as second:
        said = [child.communicate(timeout=30)[0] for child in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0]
    assert len([line for line in world.calls() if '"venv"' in line]) == 1
    assert sum("waiting for it" in text for text in said) == 1


def test_an_environment_whose_python_went_away_is_made_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(world, monkeypatch)
    folder = build.sync("train", "cpu", print)
    remove(folder / "bin" / "python")
    (folder / "old").touch()
    assert build.sync("train", "cpu", print) == folder
    assert registry.is_ready(folder)
    assert not (folder / "old").exists()


def test_a_package_without_a_hash_is_refused(tiny: World) -> None:
    (tiny.sources / "train-cpu.txt").write_text("pebble==1.0\n", encoding="utf-8")
    with pytest.raises(MissingError, match="hash"):
        build.sync("train", "cpu", print)
    assert left(tiny) == []
