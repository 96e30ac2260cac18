"""Hints print a command that works where they are printed, and no hint is printed without asking for it."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.text import program
from tests.small_world import CONCH, SmallWorld

CLI = Path(program.__file__).parents[1]
REAL = program.program.__wrapped__  # not the one of tests/conftest.py
COMMAND = re.compile(r"(?<![\w./-])conch (?:--help|[a-z])")
# What main.py makes runnable for all: the hint of a Problem; and what click prints, help and examples.
MADE_RUNNABLE = {"runnable", "Problem", "verb", "option", "command", "argument"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("conch ls", "X ls"),
        ("train again: `conch run`", "train again: `X run`"),
        (
            "conch env sync train, or: pip install 'conch[modelscope]'",
            "X env sync train, or: pip install 'conch[modelscope]'",
        ),
        ("free space: conch runs ls, conch rm", "free space: X runs ls, X rm"),
        ("用 conch sft 海螺 重新训练；conch prove 海螺", "用 X sft 海螺 重新训练；X prove 海螺"),
        ("还没有检查（conch run 海螺）。", "还没有检查（X run 海螺）。"),
        ("conch --help", "X --help"),
        ("conch sft conch merges again", "X sft conch merges again"),
        ("conch runs ls conch", "X runs ls conch"),
        ("conch logs -f conch/20260101-120000-ab12", "X logs -f conch/20260101-120000-ab12"),
        ("conch eval conch --split test", "X eval conch --split test"),
        (
            "see /home/conch run/x, ./conch ls, magic_conch is",
            "see /home/conch run/x, ./conch ls, magic_conch is",
        ),
        ("Conch made it; the conch", "Conch made it; the conch"),
        ("", ""),
    ],
)
def test_commands_are_found_in_a_hint(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "program", lambda: "X")
    assert program.runnable(text) == shown


def test_fault_154_the_command_is_the_word_where_that_is_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(CONCH.parent))
    assert REAL() == "conch"
    (tmp_path / "conch").symlink_to(CONCH)  # as pipx and uv do it
    monkeypatch.setenv("PATH", str(tmp_path))
    assert REAL() == "conch"


@pytest.mark.parametrize("other", [False, True])
def test_fault_154_elsewhere_it_is_a_path_that_a_shell_runs(
    *, other: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it on PATH, and with another Conch there; below the working folder, and outside."""
    if other:
        (tmp_path / "conch").write_text("#!/bin/sh\necho another\n", encoding="utf-8")
        (tmp_path / "conch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    assert REAL() == str(CONCH)
    monkeypatch.chdir(CONCH.parents[2])
    assert REAL() == str(CONCH.relative_to(CONCH.parents[2]))
    spaced = tmp_path / "a b 海"
    (spaced / "bin").mkdir(parents=True)
    for name in ("python", "conch"):
        (spaced / "bin" / name).symlink_to(sys.executable if name == "python" else CONCH)
    monkeypatch.setattr(sys, "executable", str(spaced / "bin/python"))
    monkeypatch.chdir(tmp_path)
    assert shlex.split(REAL()) == ["a b 海/bin/conch"]
    line = ["sh", "-c", f"{REAL()} --version"]
    said = subprocess.run(line, capture_output=True, text=True, check=False)
    assert said.stdout.startswith("conch, version"), said.stderr


def test_fault_154_what_a_hint_says_can_be_typed(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the shell that printed it, without anything on PATH: each command that is offered starts."""
    monkeypatch.setattr(program, "program", REAL)
    offered = []
    for words in ("status", "runs ls", "report", "runs ls nobody", "serve small", "rm small"):
        said = small.run(*words.split())
        offered += re.findall(r"(?:→ |: )(\S*conch(?: --?[a-z]+| [a-z]+)+)", said.out + said.err)
        assert not COMMAND.search(said.out + said.err), said
    assert len(offered) >= 5
    for command in {line.split(" ")[0] for line in offered}:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
        assert done.stdout.startswith("conch, version")
    told = small.run("report", "--json").envelope
    assert told["problems"][0]["hint"] == f"{REAL()} run RECIPE"
    assert f"  {REAL()} status magic_conch --json\n" in small.run("status", "--help").out


def scanned(source: str) -> list[int]:
    """The lines of a module of cli/ on which a command or a stored hint is written without runnable()."""

    def walk(node: ast.AST, *, made: bool) -> Iterator[int]:
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            made = made or name in MADE_RUNNABLE or name.endswith("_option")
        if isinstance(node, ast.keyword) and node.arg in {"hint", "epilog"}:
            made = True
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name | ast.Tuple):
            made = made or "hint" in ast.unparse(node.targets[0])  # of a Problem
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        hint = isinstance(node, ast.FormattedValue) and re.search(r"\.hint\b|\['hint'\]", ast.unparse(node))
        if not made and (COMMAND.search(text) or (hint and "runnable(" not in ast.unparse(node))):
            yield node.lineno  # type: ignore[attr-defined]
        for child in ast.iter_child_nodes(node):
            if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):  # a docstring
                yield from walk(child, made=made)

    return sorted(set(walk(ast.parse(source), made=False)))


def test_fault_154_no_verb_prints_a_bare_command() -> None:
    found = {
        path.relative_to(CLI).as_posix(): lines
        for path in CLI.rglob("*.py")
        if (lines := scanned(path.read_text(encoding="utf-8")))
    }
    assert found == {}, "put it into runnable() (cli/text/program.py)"


@pytest.mark.parametrize(
    "line",
    [
        'yield "  conch serve x"',
        'print(f"next: conch run {name}")',
        'yield f"→ {finding.hint}"',
        "lines.append(f\"→ {proof['hint']}\")",
        'text = "no runs: conch run RECIPE"',
    ],
)
def test_fault_154_control_a_bare_command_is_found(line: str) -> None:
    assert scanned(f"def lines():\n    {line}\n") == [2]
    assert scanned(f'def lines():\n    """A docstring of `conch serve`."""\n    {line}\n') == [3]


@pytest.mark.parametrize(
    "line",
    [
        'yield runnable("  conch serve x")',
        'raise UsageError(Problem("no", hint=f"conch run {name}"))',
        'hint = "conch pull embedded"',
        'yield f"→ {runnable(finding.hint)}"',
    ],
)
def test_a_command_that_is_made_runnable_is_left_alone(line: str) -> None:
    assert scanned(f"def lines():\n    {line}\n") == []
