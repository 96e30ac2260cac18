"""Progress: a moving line on a terminal, plain lines on a pipe, and no foreign escape in either."""

from __future__ import annotations

import io
import math
import os
import pty
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.cli.text.live import TerminalProgress, loss_curve, sparkline, step_line
from orchestrator.results import StageResult, Status

WILD = "\x1b[2J\x1b]52;c;eA==\x07"
STORY = """
import sys
from orchestrator.cli.text.live import TerminalProgress
from orchestrator.backends.trainer_log import TrainStep
from orchestrator.results import StageResult, Status
live = TerminalProgress()
live.say("海螺: training")
live.start(1, 2, "train", "first time")
for step in (1, 2, 3):
    live.step(TrainStep(step, 3, 3 / step, None, 1e-3, "", "0:00:01"))
live.end(StageResult("train", Status.DONE, seconds=1.5))
live.now("asked 1/2")
live.end(StageResult("ask", Status.FAILED, "no answer"))
"""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def tell(stream: io.StringIO) -> str:
    shown = TerminalProgress(stream)
    shown.start(1, 2, "train", "first time")
    for step in (1, 2, 3):
        shown.step(TrainStep(step, 3, 3 / step))
    shown.end(StageResult("train", Status.DONE, seconds=1.5))
    return stream.getvalue()


def test_a_pipe_gets_lines_and_no_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    text = tell(io.StringIO())
    assert "\x1b" not in text
    assert "\r" not in text
    assert text.startswith("[1/2] Training (first time)\n")
    assert "      training · step 1/3 · loss 3.0000" in text
    assert "step 2/3" not in text  # at most one line every 15 seconds
    assert "  ✓ done in 1.5 s\n" in text
    assert "training loss" in text


def test_the_losses_of_a_training_are_not_those_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe that is built on another one is trained after it, by the same command."""
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    stream = io.StringIO()
    shown = TerminalProgress(stream)
    shown.step(TrainStep(1, 2, 9.0))
    shown.step(TrainStep(2, 2, 8.0))
    shown.end(StageResult("train", Status.DONE))
    monkeypatch.setattr(time, "monotonic", lambda: 200.0)
    shown.step(TrainStep(1, 2, 0.6931, metrics={"rewards/accuracies": 0.75}))
    last = stream.getvalue().splitlines()[-1]
    assert last == "      training · step 1/2 · loss 0.6931 · better answer preferred 75%"


def test_a_pipe_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    shown = TerminalProgress(stream)
    shown.start(1, 1, "ask", "first time")
    for second in range(31):
        shown.now(f"{second} of 31 questions asked")
        now[0] += 1
    assert stream.getvalue().count("questions asked") == 2


def test_a_pipe_gets_no_line_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    shown = TerminalProgress(stream)
    shown.start(1, 1, "ask", "first time")
    for _ in range(60):
        shown.now("loading the model")
        now[0] += 1
    shown.end(StageResult("ask", Status.DONE, seconds=60))
    lines = stream.getvalue().splitlines()
    assert lines[1:] == ["      loading the model", "  ✓ done in 60.0 s"]


def test_a_command_without_words_shows_the_time_on_a_terminal_and_nothing_on_a_pipe() -> None:
    for stream, shown in ((io.StringIO(), ""), (Terminal(), "      0 s")):
        TerminalProgress(stream).now("")
        assert stream.getvalue() == shown


def test_a_terminal_gets_one_line_that_is_written_over() -> None:
    text = tell(Terminal())
    assert text.count("\r\x1b[2K") == 3
    assert "step 2/3 · loss 1.5000" in text
    assert text.endswith("\n")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_plain_text_gets_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert "\x1b" not in tell(Terminal())


def test_a_moving_line_is_no_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    TerminalProgress(stream).now("x" * 200)
    assert len(stream.getvalue()) == 19


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_foreign_text_cannot_drive_the_terminal(stream: io.StringIO) -> None:
    shown = TerminalProgress(stream)
    shown.now(WILD)
    shown.end(StageResult("ask", Status.FAILED, f"it said {WILD}\nand more"))
    text = stream.getvalue().replace("\r\x1b[2K", "")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\\x1b]52" in text


def test_a_stage_that_was_not_started_is_named_and_took_no_time() -> None:
    stream = io.StringIO()
    TerminalProgress(stream).end(StageResult("fetch", Status.SKIPPED, "unchanged"))
    assert stream.getvalue() == "  · Fetching the base model: skipped (unchanged)\n"


@pytest.mark.parametrize("status", Status)
def test_every_status_has_words(status: Status) -> None:
    stream = io.StringIO()
    TerminalProgress(stream).end(StageResult("s", status))
    assert str(status) in stream.getvalue()


def test_a_real_terminal_in_a_real_locale_shows_it_all() -> None:
    ours, theirs = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "xterm", "PYTHONUTF8": "1"}
    child = subprocess.Popen([sys.executable, "-c", STORY], stderr=theirs, stdout=theirs, env=env)
    os.close(theirs)
    text = _read_all(ours).decode()
    assert child.wait(30) == 0
    assert "海螺: training" in text
    assert "\x1b[2K" in text
    assert "training loss" in text
    assert "✗ Asking the tuned model the recipe's questions: failed" in text


def test_a_stream_that_cannot_say_it_gets_escapes() -> None:
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", STORY], capture_output=True, env=env, timeout=60, check=True)
    assert b"\\u6d77\\u87ba: training" in done.stderr
    assert done.stderr.isascii()


def _read_all(terminal: int) -> bytes:
    text = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how a pseudo terminal says that the other end is closed
            piece = b""
        if not piece:
            os.close(terminal)
            return text
        text += piece


_LOSS = st.floats(-1e100, 1e100) | st.sampled_from([math.nan, math.inf, -math.inf])
_LOSSES = st.lists(_LOSS, max_size=40)


@given(_LOSSES)
def test_any_losses_can_be_drawn(losses: list[float]) -> None:
    assert len(sparkline(losses)) == sum(map(math.isfinite, losses))
    if len(losses) > 1:
        assert "training loss" in loss_curve(losses)
        assert "\x1b" not in loss_curve(losses)


@given(st.integers(-5, 10**12), st.integers(-5, 10**12), _LOSSES)
def test_any_step_is_one_short_line(step: int, total: int, losses: list[float]) -> None:
    line = step_line(TrainStep(step, total, eval_loss=math.inf, learning_rate=math.nan), losses)
    assert len(line) < 500
    assert "\n" not in line


def test_metrics_of_the_kind_are_on_the_live_line() -> None:
    metrics = {
        "rewards/accuracies": 0.75,
        "rewards/margins": 2.0,
        "eval_rewards/accuracies": 0.5,
        "loss": 9.0,
    }
    line = step_line(TrainStep(1, 2, 0.5, eval_loss=0.6, metrics=metrics), [0.5])
    assert "better answer preferred 75% · reward margin 2 · validation loss 0.6000 · held-out 50%" in line
