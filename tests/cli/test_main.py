"""The boundary: what goes wrong becomes words or an envelope, and an exit code; never a traceback."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from orchestrator.cli import main
from orchestrator.cli.verb import Outcome, VerbGroup, verb
from orchestrator.errors import TREE, ConchError, Interrupted, Problem, UsageError

ROOT = Path(__file__).parents[2]
Body = Callable[[], Outcome]


@pytest.fixture
def plan_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[Body], None]:
    """Let the verb `plan` do something else."""

    def replace(body: Body) -> None:
        def command() -> Outcome:
            """Do it."""
            return body()

        made = verb(example="conch plan")(command)
        monkeypatch.setattr(VerbGroup, "get_command", lambda *_: made)

    return replace


def _raise(error: BaseException) -> Body:
    def body() -> Outcome:
        raise error

    return body


def _envelope(text: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(text)
    assert list(said) == ["version", "command", "ok", "data", "problems"]
    assert said["version"] == 1
    return said


def test_help_lists_the_verbs_without_importing_one() -> None:
    code = "import sys; from orchestrator.cli.main import run; run(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in main.VERBS:
        assert f"  {name} " in done.stdout
        assert f"'orchestrator.cli.{name}'" not in done.stdout
    for heavy in ("pydantic", "yaml", "openai", "orchestrator.execute"):
        assert f"'{heavy}'" not in done.stdout


def _commands(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(name, command)]
    context = click.Context(command)
    found = [(each, command.get_command(context, each)) for each in command.list_commands(context)]
    return [pair for each, one in found if one is not None for pair in _commands(one, f"{name} {each}")]


def test_every_verb_and_every_option_has_help_and_every_verb_an_example() -> None:
    for name, command in _commands(main.conch, "conch"):
        assert command.help, name
        assert f"Example:\n  {name}" in (command.epilog or "").replace("CONCH_API_KEY=… ", ""), name
        assert [one.opts for one in command.params if isinstance(one, click.Option) and not one.help] == []


def test_a_mistyped_verb_is_answered_with_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["serv"]) == 2
    assert 'no verb named "serv"; did you mean "serve"?' in capsys.readouterr().err


@pytest.mark.parametrize("words", [["plan", "--nonsense"], ["--nonsense"], ["plan", "a", "b"]])
def test_a_wrong_command_line_is_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(words) == 2
    said = capsys.readouterr()
    assert "--help" in said.err
    assert said.out == ""


def test_what_a_verb_says_goes_to_stdout_and_its_problems_to_stderr(
    plan_is: Callable[[Body], None], capsys: pytest.CaptureFixture[str]
) -> None:
    plan_is(lambda: Outcome({"a": 1}, "the result", 5, (Problem("not met", hint="try"),)))
    assert main.run(["plan"]) == 5
    said = capsys.readouterr()
    assert said.out == "the result\n"
    assert said.err == "not met\n    → try\n"


def test_the_envelope_is_ok_exactly_when_the_exit_code_is_0(
    plan_is: Callable[[Body], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for code in (0, 5):
        plan_is(lambda code=code: Outcome({"海螺": "神奇"}, "text", code))  # type: ignore[misc]
        assert main.run(["plan", "--json"]) == code
        said = _envelope(capsys.readouterr().out)
        assert said["ok"] is (code == 0)
        assert said["command"] == "plan"
        assert said["data"] == {"海螺": "神奇"}


def test_an_error_is_words_with_its_exit_code(
    plan_is: Callable[[Body], None], capsys: pytest.CaptureFixture[str]
) -> None:
    plan_is(_raise(UsageError(Problem("one", "a.yaml:1:2", "so"), "two")))
    assert main.run(["plan"]) == 2
    assert capsys.readouterr().err == "a.yaml:1:2  one\n    → so\ntwo\n"
    assert main.run(["plan", "--json"]) == 2
    said = _envelope(capsys.readouterr().out)
    assert [problem["what"] for problem in said["problems"]] == ["one", "two"]


def test_a_bug_is_one_line_and_a_file(
    plan_is: Callable[[Body], None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plan_is(_raise(ZeroDivisionError("by zero")))
    assert main.run(["plan", "--json"]) == 1
    (problem,) = _envelope(capsys.readouterr().out)["problems"]
    assert problem["what"] == "a bug in Conch: ZeroDivisionError: by zero"
    crash = Path(problem["where"])
    assert "Traceback" in crash.read_text(encoding="utf-8")
    crash.unlink()


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (click.Abort(), 130), (Interrupted(signum=15), 143), (BrokenPipeError(), 0)],
)
def test_interruptions_end_quietly(
    plan_is: Callable[[Body], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
) -> None:
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # BrokenPipeError closes it
    plan_is(_raise(error))
    assert main.run(["plan"]) == code
    assert "Traceback" not in capsys.readouterr().err


def _conch(words: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """A line of shell, conch's exit code its own."""
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    env |= {"TMPDIR": str(tmp_path), "PYTHONUTF8": "1"}
    line = ["bash", "-c", f"set -o pipefail; {words}"]
    return subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("conch schema | true", 0),
        ("conch ls --json | true", 0),
        ("conch --help | true", 0),
        ("conch nosuch --json | true", 2),
        ("conch nosuch 2>&1 | true", 2),
        ("conch ls >&-", 0),
        ("conch nosuch 2>&-", 2),
        ("conch ls > /dev/full", 3),
        ("conch ls --json > /dev/full", 3),
        ("conch nosuch --json > /dev/full", 2),
        ("conch nosuch 2> /dev/full", 2),
    ],
)
def test_nobody_listening_changes_no_exit_code_but_a_lost_result_does(
    tmp_path: Path, words: str, code: int
) -> None:
    done = _conch(words, tmp_path)
    assert done.returncode == code
    for nonsense in ("Traceback", "Exception ignored", "a bug in Conch"):
        assert nonsense not in done.stderr
    lost = " > /dev/full" in words
    assert ("cannot write the result: No space left on device" in done.stderr) is lost
    assert list(tmp_path.glob("conch-crash-*")) == []


def test_a_full_disk_is_no_bug(plan_is: Callable[[Body], None], capsys: pytest.CaptureFixture[str]) -> None:
    plan_is(_raise(OSError(errno.ENOSPC, "No space left on device", "/a/file")))
    assert main.run(["plan"]) == 3
    assert capsys.readouterr().err == "/a/file  disk full: No space left on device\n    → free some space\n"


def test_a_bug_whose_file_cannot_be_written_is_told_all_the_same(
    plan_is: Callable[[Body], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    plan_is(_raise(ZeroDivisionError("by zero")))
    assert main.run(["plan"]) == 1
    assert "a bug in Conch: ZeroDivisionError: by zero" in capsys.readouterr().err


@pytest.mark.parametrize("kind", TREE)
def test_every_error_has_its_code_in_words_and_in_the_envelope(
    plan_is: Callable[[Body], None], capsys: pytest.CaptureFixture[str], kind: type[ConchError]
) -> None:
    plan_is(_raise(kind(Problem("没有", "here", "so"))))
    assert main.run(["plan"]) == kind.exit_code
    assert capsys.readouterr().err == "here  没有\n    → so\n"
    assert main.run(["plan", "--json"]) == kind.exit_code
    said = _envelope(capsys.readouterr().out)
    assert said["ok"] is False
    assert said["problems"] == [{"what": "没有", "where": "here", "hint": "so"}]


@pytest.mark.parametrize(
    "words", [["nosuch"], ["plan", "--nonsense"], ["plan", "a", "b"], ["serve", "--port", "x"]]
)
def test_a_wrong_command_line_has_an_envelope_too(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run([*words, "--json"]) == 2
    said = _envelope(capsys.readouterr().out)
    assert (said["command"], said["ok"]) == (words[0], False)
    assert len(said["problems"]) == 1


def test_a_locale_that_cannot_say_it_gets_escapes(tmp_path: Path) -> None:
    conch = Path(sys.executable).with_name("conch")
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "HOME": str(tmp_path)}
    done = subprocess.run([conch, "神奇"], env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert b"\\u795e\\u5947" in done.stderr
    assert b"Traceback" not in done.stderr
