"""A hostile default world: no home, no inherited settings, and nothing may be left running.

A test that needs a home or a project makes one (`home`, `project`).
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import psutil
import pytest

from orchestrator.cli.text import program
from orchestrator.execute.processes import process_tree
from tests import forks
from tests.small_world import FinishedRuns, SmallWorld, make_small_world

pytest_plugins = ["tests.skips", "tests.faults.summary", "tests.recipe_world"]

_NUMBERS = count(1)
FAKES = Path(__file__).parent / "fakes"
_KEPT = {"PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PIP_FIND_LINKS", "PIP_INDEX_URL"}
_KEPT |= {"UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "SSL_CERT_FILE", "CI"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --golden` writes the golden files anew."""
    parser.addoption("--golden", action="store_true", help="Write the golden files anew.")


def pytest_configure() -> None:
    """Let children hear Ctrl-C: a shell starts what runs in its background with SIGINT ignored, for good."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# Real tests that load, train or serve a model: two at a time slow each other tenfold.
LOADING = ("tests/e2e/", *(f"tests/probes/test_{name}" for name in ("answer", "trainer", "corpus")))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of LOADING, so that `make test` runs them one after the other."""
    for item in items:
        if item.nodeid.startswith(LOADING):
            item.add_marker("model")


def pytest_collection_finish() -> None:
    """Keep what is there by now out of every later garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file: whoever makes a folder or a file below it gets an error."""
    file = tmp_path_factory.mktemp("worlds") / "nobody-chose-this-home"
    file.touch()
    return file


@pytest.fixture(autouse=True)
def hostile_world(
    monkeypatch: pytest.MonkeyPatch, nowhere: Path, request: pytest.FixtureRequest
) -> Iterator[None]:
    """No environment that the test did not choose; a home that cannot be used by accident.

    Tests marked `real` keep the machine's environment: the engines and their caches are real.
    """
    if request.node.get_closest_marker("real") or request.node.get_closest_marker("soak"):
        yield
        return
    for name in [name for name in os.environ if name not in _KEPT and not name.startswith(("PYTEST", "COV"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(nowhere))
    apart = nowhere.parent / f"{next(_NUMBERS)}"
    apart.mkdir()
    monkeypatch.setenv("CONCH_HOME", str(apart / "conch-home"))
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no test pulls the plug
    monkeypatch.setattr(program, "program", lambda: "conch")  # as if it were on PATH
    yield


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: no process of it lives, nothing listens, no run that is done has half an output."""
    process_tree.enable_subreaper()
    before = {member.pid for member in _carriers()}
    listening = _listening()
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    left = [member for member in _carriers() if member.pid not in before]
    for member in left:
        process_tree.kill_all(member.run_tag, [member])
    named = [f"{member.pid} {member.run_tag}" for member in left]
    assert not named, f"left running: {named}"
    deadline = time.monotonic() + 2  # a server that a thread is closing takes a moment
    while (ports := _listening() - listening) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not ports, f"left listening: {ports}"
    if folder is not None:
        halves = _halves(folder)
        assert not halves, f"left half done: {halves}"


def _listening() -> set[int]:
    """The ports on which this process and its descendants listen."""
    children = _has_children()
    if not children and not _has_sockets(os.getpid()):
        return set()
    me = psutil.Process()
    found = set()
    for process in (me, *(me.children(recursive=True) if children else ())):
        try:
            connections = process.net_connections(kind="tcp") if _has_sockets(process.pid) else ()
        except psutil.Error:
            continue
        found |= {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
    return found


def _has_children() -> bool:
    """Whether this process has any child but the fork server; to look through every process is slow."""
    found = [pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_bytes().split()]
    return any(int(pid) != forks.server_pid() for pid in found)


def _has_sockets(pid: int) -> bool:
    """Whether a process has a socket; one that is gone has none."""
    with suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(handle.readlink()).startswith("socket:"):
                    return True
    return False


def _halves(folder: Path) -> list[str]:
    """Outputs that were never whole, of runs that say that they are done."""
    states = [path for depth in ("", "*/", "*/*/") for path in folder.glob(f"{depth}runs/*/*/state.json")]
    done = [path.parent for path in states if b'"status": "done"' in path.read_bytes()[:40]]
    return [str(path) for run in done for path in run.glob("*.partial*")]


def _carriers() -> list[process_tree.Member]:
    """Our living descendants that carry a run tag; orphans are handed to this process."""
    if not _has_children():
        return []
    me = process_tree.Member(os.getpid(), process_tree.start_ticks(os.getpid()), "")
    mine = {member.pid for member in process_tree.family([me])}
    return [member for member in process_tree.scan("conch") if member.pid in mine]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home that this test chose."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project."""
    folder = tmp_path / "project"
    (folder / "recipes").mkdir(parents=True)
    return folder


@pytest.fixture
def engines(tmp_path: Path) -> Path:
    """A folder like an environment's, the fakes in its bin/: the value of {train} and {serve}."""
    programs = tmp_path / "engines" / "bin"
    programs.mkdir(parents=True)
    # A probe that needs torch or a real engine has a stand-in of its name.
    stand_in = f'probe="{FAKES}/probes/${{1##*/}}"; test -f "$probe" && shift && set -- "$probe" "$@"; '
    _script(programs / "python", stand_in + f'PYTHONPATH="{FAKES / "site"}" exec "{sys.executable}" "$@"')
    for name in ("vllm", "llamafactory-cli"):
        _script(programs / name, f'exec "{sys.executable}" "{FAKES / name}" "$@"')
    return programs.parent


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> FinishedRuns:
    """The runs that tests share."""
    return FinishedRuns(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def small(
    tmp_path: Path,
    engines: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    finished_runs: FinishedRuns,
) -> SmallWorld:
    """A project with one recipe and the fake engines; the working folder is there."""
    # Engines must never see the space or the Chinese: they are given paths relative to the run folder.
    return make_small_world(tmp_path / "神奇 project", engines, monkeypatch, capsys, finished_runs)


@pytest.fixture
def trained(small: SmallWorld) -> SmallWorld:
    """The small project, its recipe trained and exported."""
    return small.after("sft", "small")


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)
