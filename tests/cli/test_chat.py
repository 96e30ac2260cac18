"""`conch chat`: questions by lines and by a terminal, memory, /reset, Ctrl-C, and what a model may print."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.main import run
from tests.fakes.openai_server import FakeServer, Said, openai_server

ROOT = Path(__file__).parents[2]
MAIN = "from orchestrator.cli.main import main; main()"


def conch(messages: list[dict[str, str]]) -> Said:
    said = " ".join(message["content"] for message in messages if message["role"] == "user")
    return Said(f"\n\n你说：{said}", reasoning="想")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with openai_server(conch) as fake:
        yield fake


def chat(server: FakeServer, lines: str, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    return run(["chat", "--base-url", server.url, "--model", "conch", *more])


def test_lines_are_questions_and_are_remembered(
    server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chat(server, "你好\n\n几点？\n/reset\n谁？\n/exit\n没有\n", monkeypatch) == 0
    assert capsys.readouterr().out == "你说：你好\n你说：你好 几点？\n你说：谁？\n"
    assert server.requests[-2]["messages"][1] == {"role": "assistant", "content": "\n\n你说：你好"}


def test_words_that_are_no_questions(
    server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chat(server, "/help\n/what\n", monkeypatch, "--system", "简短") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "/reset forgets" in err
    assert "unknown command /what" in err
    assert len(server.requests) == 1  # the one that asked whether it is there


def test_the_system_prompt_outlives_a_reset(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chat(server, "a\n/reset\nb\n", monkeypatch, "--system", "简短") == 0
    assert [message["content"] for message in server.requests[-1]["messages"]] == ["简短", "b"]


def test_json_is_a_line_a_turn_and_the_envelope(
    server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chat(server, "你好\n谁\n", monkeypatch, "--json") == 0
    *turns, envelope = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert turns[0] == {"question": "你好", "answer": "\n\n你说：你好"}
    assert envelope["ok"] is True
    assert envelope["data"]["turns"] == turns


def test_an_answer_cannot_move_the_cursor_98(
    server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = lambda _: Said("a\x1b[2J\u202eb\r")
    assert chat(server, "x\n", monkeypatch) == 0
    assert capsys.readouterr().out == "a\\x1b[2J\\u202eb\\r\n"


def test_thinking_alone_is_said_to_be_no_answer(
    server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = lambda _: Said(None, reasoning="嗯", finish_reason="length")
    assert chat(server, "a\nb\n", monkeypatch) == 0
    assert "only thinking" in capsys.readouterr().err
    assert [message["content"] for message in server.requests[-1]["messages"]] == ["b"]


def test_a_failure_of_a_piped_question_is_4(
    server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.fault, server.fault_after = "cut-stream", 2
    assert chat(server, "a\nb\nc\n", monkeypatch) == 4
    assert "the server closed the connection" in capsys.readouterr().err
    assert len(server.requests) == 3


def test_no_server_is_3(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with openai_server(conch) as gone:
        url = gone.url
    assert run(["chat", "tiny", "--base-url", url, "--model", "conch"]) == 3
    assert "→ conch serve tiny" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "code", "out"),
    [("你好\n".encode(), 0, "你说：你好\n"), ("你好\n".encode("gbk"), 2, "")],
    ids=["utf-8", "gbk"],
)
@pytest.mark.parametrize(
    "locale", [{"PYTHONUTF8": "1"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}], ids=["utf8", "c"]
)
def test_questions_are_utf_8_in_every_locale_90(
    server: FakeServer, typed: bytes, code: int, out: str, locale: dict[str, str]
) -> None:
    environ = {"PYTHONPATH": str(ROOT), "PYTHONCOERCECLOCALE": "0", **locale}
    argv = [sys.executable, "-c", MAIN, "chat", "--base-url", server.url, "--model", "conch"]
    done = subprocess.run(argv, input=typed, env=environ, capture_output=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    assert done.stdout in (out.encode(), out.encode("ascii", "backslashreplace"))
    assert (b"not UTF-8" in done.stderr) is (code == 2)


class Terminal:
    """`conch chat` in a terminal of its own."""

    def __init__(self, server: FakeServer) -> None:
        self._master, slave = pty.openpty()
        argv = [sys.executable, "-c", MAIN, "chat", "--base-url", server.url, "--model", "conch"]
        environ = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        self.process = subprocess.Popen(  # a terminal's foreground group, so that ^C reaches it
            argv, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True, close_fds=True
        )
        os.close(slave)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, text: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self._master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.seen += os.read(self._master, 4096).decode("utf-8", "replace")

    def close(self) -> int:
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            os.close(self._master)


def test_a_terminal_shows_thinking_dim_and_ends_with_exit(server: FakeServer) -> None:
    terminal = Terminal(server)
    terminal.wait_for("/help shows this")
    terminal.type("你好\n")
    terminal.wait_for("你说：你好")
    terminal.type("/exit\n")
    assert terminal.close() == 0
    assert "\x1b[2m想\x1b[0m" in terminal.seen


def test_ctrl_c_stops_the_answer_then_the_conversation(server: FakeServer) -> None:
    terminal = Terminal(server)
    terminal.wait_for("/help shows this")
    server.fault, server.fault_after = "hang", 1
    terminal.type("你好\n")
    while len(server.requests) < 2:
        time.sleep(0.01)
    time.sleep(0.2)
    os.killpg(terminal.process.pid, signal.SIGINT)
    terminal.wait_for("stopped")
    server.fault = ""
    terminal.type("谁\n")
    terminal.wait_for("你说：谁")
    time.sleep(0.3)
    os.killpg(terminal.process.pid, signal.SIGINT)
    terminal.wait_for("interrupted")
    assert terminal.close() == 130
