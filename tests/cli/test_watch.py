"""`conch watch`: a run seen from another terminal, which it never touches."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from orchestrator.cli import watch
from tests.small_world import CONCH, SmallWorld

SLOW = {"CONCH_FAULT": "slow-ready", "CONCH_FAKE_STEPS": "40"}


class DeadlineStream:
    """`conch watch` on a terminal of its own."""

    def __init__(self, small: SmallWorld, *words: str, env: Mapping[str, str] | None = None) -> None:
        self.ours, theirs = pty.openpty()
        self.resize(80, 24)
        given = {**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", **(env or {})}
        self.child = subprocess.Popen(
            [CONCH, "watch", *words],
            cwd=small.project,
            env=given,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  no thread runs here
        )
        os.close(theirs)
        os.set_blocking(self.ours, False)
        self.text = ""

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def until(self, seen: Callable[[str], bool], seconds: float = 30) -> str:
        """What it has shown since it was last asked, when that is seen."""
        deadline, text = time.monotonic() + seconds, b""
        while time.monotonic() < deadline and not seen(text.decode("utf-8", "replace")):
            try:
                text += os.read(self.ours, 65536)
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:  # how a pseudo terminal says that the other end is closed
                break
        shown = text.decode("utf-8", "replace")
        assert seen(shown), shown
        return shown

    def end(self) -> int:
        code = self.child.wait(30)
        os.close(self.ours)
        return code


@pytest.fixture
def training(small: SmallWorld) -> Iterator[SmallWorld]:
    """A run that trains until the test is over."""
    child = small.start("sft", "small", env=SLOW)
    try:
        deadline = time.monotonic() + 60
        while not list(small.project.glob("runs/small/*/adapter.partial-0/trainer_log.jsonl")):
            assert time.monotonic() < deadline
            assert child.poll() is None, small.read("said.err")
            time.sleep(0.05)
        yield small
    finally:
        child.terminate()
        child.wait(60)


def test_a_terminal_shows_it_and_leaves_it_alone(training: SmallWorld) -> None:
    watched = DeadlineStream(training, "small", "--every", "0.2")
    first = watched.until(lambda text: "train.log" in text)
    assert "/40" in first
    assert "\x1b[36mrunning" in first
    again = watched.until(lambda text: "\x1b[2K" in text)
    watched.resize(40, 24)
    narrow = watched.until(lambda text: "train.log" in text or "── train" in text)
    assert max(len(line) for line in narrow.split("\n")) < 200
    os.write(watched.ours, b"\x03")
    last = watched.until(lambda text: "continues" in text)
    assert "stopped watching" in last
    whole = first + again + narrow + last
    assert "\x1b[?1049h" not in whole, "the alternate screen is not used"
    assert whole.rindex("\x1b[?25h") > whole.rindex("\x1b[?25l"), "the cursor is shown again"
    assert watched.end() == 130
    assert training.run("status", "--json").envelope["data"]["runs"][0]["standing"] == "running"


def test_without_colours_it_still_draws(training: SmallWorld) -> None:
    watched = DeadlineStream(training, "small", "--every", "0.2", env={"NO_COLOR": "1"})
    text = watched.until(lambda text: "\x1b[2K" in text and "train.log" in text)
    assert "\x1b[36m" not in text
    assert "\x1b[1m" not in text
    watched.child.send_signal(signal.SIGTERM)
    assert watched.end() == 143


def test_it_ends_with_the_run_and_says_how(small: SmallWorld) -> None:
    child = small.start("sft", "small", env={"CONCH_FAKE_STEPS": "20"})
    deadline = time.monotonic() + 60
    while "running" not in small.run("status").out and time.monotonic() < deadline:
        time.sleep(0.02)
    said = small.run("watch", "small", "--every", "0.2")
    assert child.wait(60) == 0
    assert said.code == 0
    assert "\x1b" not in said.out
    lines = said.out.splitlines()
    assert "  running" in lines[0]
    assert lines[-1].endswith(f"{small.last().name}: done with exit code 0")
    assert len(lines) == len(set(lines))


def test_machines_get_objects_and_the_envelope_last(trained: SmallWorld) -> None:
    said = trained.run("watch", "small", "--json")
    seen, envelope = (json.loads(line) for line in said.out.splitlines())
    assert (envelope["command"], envelope["ok"], envelope["data"]["standing"]) == ("watch", True, "done")
    assert seen["step"]["total"] == 5
    once = trained.run("watch", "small", "--once", "--json").envelope
    assert once["data"]["run"] == trained.last().name


def test_one_picture(trained: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    said = trained.run("watch", trained.last().name, "--once")
    assert said.code == 0
    assert "done" in said.out.splitlines()[0]
    assert "5/5 100%" in said.out
    assert "\x1b" not in said.out


def test_a_failed_run_is_told_and_watching_it_went_well(small: SmallWorld) -> None:
    assert small.script("sft", "small", env={"CONCH_FAULT": "exit-0-no-output"}).code == 4
    said = small.run("watch", "small")
    assert said.code == 0
    assert "failed with exit code 4: " in said.out


def test_what_is_not_there_is_told(small: SmallWorld) -> None:
    for words in (("nix",), ("small",), ("../x",), ("small", "--every", "0")):
        said = small.run("watch", *words)
        assert said.code == 2, words
        assert "Traceback" not in said.err
    assert watch.command.name == "watch"
