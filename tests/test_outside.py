"""The gate: text from outside is marked by a type; a terminal, a log and JSON get it through one function."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli import main
from orchestrator.cli.text.terminal import emit
from orchestrator.errors import Problem
from orchestrator.execute.host.tell import tell
from orchestrator.outside import Outside, json_text, listed, redact, visible

ROOT = Path(__file__).parents[1]
EVIL = "\x1b[2J\x9b31m\u202e\x00\r海螺 hf_" + "A" * 30
SECRET = "correct-horse-battery"


def hidden(text: str) -> list[str]:
    return [one for one in text if visible(one) != one]


def test_fault_142_a_message_shows_it_on_one_line_masked_and_cut() -> None:
    said = f"the server says: {Outside(f'{EVIL} {SECRET}', secrets=[SECRET])}"
    assert said == "the server says: \\x1b[2J\\x9b31m\\u202e\\x00\\r海螺 *** ***"
    assert len(str(Outside("x" * 10_000_000))) == 300
    cut = str(Outside("x" * 290 + SECRET, secrets=[SECRET]))
    assert cut == "x" * 290 + "***", "half a secret is not found any more"
    assert Outside(7).raw == "7"
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert str(Outside(deep)) == "a value that is nested too deeply"
    assert {Outside("a"), Outside("a", limit=3)} == {Outside("a")}


@given(st.text(st.characters()))
def test_fault_142_nothing_hidden_comes_through(text: str) -> None:
    assert not hidden(str(Outside(text)))
    told = json_text({"text": text})
    assert not hidden(told)
    assert json.loads(told)["text"] == redact(text, ())


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_fault_142_a_terminal_gets_our_colours_only() -> None:
    out = Terminal()
    emit(f"\r\x1b[2K\x1b[31mred\x1b[0m {EVIL}", out)
    assert out.getvalue() == "\r\x1b[2K\x1b[31mred\x1b[0m \\x1b[2J\\x9b31m\\u202e\\x00\\r海螺 ***"
    file = io.StringIO()
    emit("\x1b[31mred", file)
    assert file.getvalue() == "\\x1b[31mred"


def test_fault_142_a_log_and_an_envelope(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_API_KEY", SECRET)
    tell(f"{EVIL} {SECRET}")
    said = capsys.readouterr().err
    assert said == "\\x1b[2J\\x9b31m\\u202e\\x00\\r海螺 *** ***\n"
    told = main.envelope("ls", ok=False, data={"a": EVIL + SECRET}, problems=[Problem(EVIL, SECRET)])
    assert not hidden(told)
    read = json.loads(told)
    assert read["data"]["a"] == redact(EVIL, ()) + "***"
    assert read["problems"][0] == {"what": visible(redact(EVIL, ())), "where": "***", "hint": ""}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@host/v1", "http://***@host/v1"),
        ("proxy=socks5://u@h, x", "proxy=socks5://***@h, x"),
        ("GET /v1?a=1&api_key=x1&b=2", "GET /v1?a=1&api_key=***&b=2"),
        ("http://h?key=s#f", "http://h?key=***#f"),
        ("?access_token=s;hf-token=t", "?access_token=***;hf-token=***"),
        ("?X-Amz-Signature=abc&sig=d", "?X-Amz-Signature=***&sig=***"),
        ("Authorization: Basic bWU6cHc=", "Authorization: Basic ***"),
        ("mail me@host, git@host:x, a://b/c@d", "mail me@host, git@host:x, a://b/c@d"),
        ("?monkey=1&tokens=2&keys=3", "?monkey=1&tokens=2&keys=3"),
    ],
)
def test_fault_145_a_secret_in_an_address_is_masked(text: str, shown: str) -> None:
    assert redact(text, ()) == shown


def test_many_names_are_counted() -> None:
    assert listed(map(Outside, "")) == "none"
    assert listed(Outside(str(one)) for one in range(100_000)).endswith("8, 9 and 99,990 more")


BYPASS = """
from orchestrator.cli.text.terminal import emit
from orchestrator.errors import Problem
from orchestrator.execute.host.tell import tell
from orchestrator.outside import Outside
name = Outside("from a server")
tell(f"fine: {name}")
emit(name)
tell(name)
Problem(name)
", ".join([name])
"fine: " + name
"""


def test_fault_143_mypy_sees_a_way_around(tmp_path: Path) -> None:
    """Costs 2 s with mypy's cache of this tree, more without."""
    from mypy import api

    file = tmp_path / "bypass.py"
    file.write_text(BYPASS, encoding="utf-8")
    settings = ("--strict", "--follow-imports=silent", "--no-error-summary", "--hide-error-context")
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'bypass'}"
    said, _, code = api.run([*settings, cache, "--config-file=", str(file)])
    lines = [int(line.split(":")[1]) for line in said.splitlines() if ": error:" in line]
    assert (code, lines) == (1, [8, 9, 10, 11, 12]), said


PRINTS = {"print", "console.print"}
WRITES = ("stdout.write", "stderr.write", "click.echo", "stream.write")
# Where text leaves Conch: `emit` and `tell`, and Rich's pictures of text that is visible already.
GATES = {"cli/text/terminal.py", "execute/host/tell.py"}
PICTURES = {"cli/watch.py", "cli/text/rows.py"}
# Protocols between two processes of Conch.
PIPES = {"execute/project/template_sandbox.py", "execute/processes/no_network.py"}


def test_fault_144_nothing_is_printed_around_the_gate() -> None:
    found = {}
    for path in sorted((ROOT / "orchestrator").rglob("*.py")):
        name = path.relative_to(ROOT / "orchestrator").as_posix()
        if name.startswith("probes/"):  # their output is a log's, or read by Conch
            continue
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        calls = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
        writes = [call for call in calls if call in PRINTS or call.endswith(WRITES)]
        if writes and name not in GATES | PICTURES | PIPES:
            found[name] = writes
    assert found == {}
