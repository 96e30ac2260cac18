"""`conch bench`, with a stand-in for lm-eval; the real tools: probes/test_bench_evalscope.py."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.execute.environments import registry
from tests.fakes.openai_server import FakeServer, Said, openai_server
from tests.small_world import SmallWorld

KEY = "the-servers-key"
# Says what it was given and asks nobody.
TOOL = """#!{python}
import json, os, sys, time
from pathlib import Path
words = sys.argv[1:]
out = Path(words[words.index("--output_path") + 1])
print("asking", words[-1], "with", os.environ["OPENAI_API_KEY"], flush=True)
print("\\x1b[32mgreen\\x1b[0m \\x1b[2Jwild", flush=True)
(out / "seen.json").write_text(json.dumps({{"argv": words, "env": dict(os.environ), "cwd": os.getcwd()}}))
if words[-1] == "hang":
    time.sleep(60)
if words[-1] == "fail":
    sys.exit("ValueError: there is no such task")
if words[-1] != "nothing":
    (out / "conch").mkdir()
    found = {{"results": {{words[-1]: {{"acc,none": 0.75, "sample_len": 4}}}}}}
    (out / "conch/results_1.json").write_text(json.dumps(found))
"""


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with openai_server(lambda _: Said("x"), key=KEY) as fake:
        yield fake


@pytest.fixture
def tool(small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallWorld:
    """The small world, with an environment in which lm-eval is a stand-in."""
    folder = registry.environment_folder("lm-eval", registry.ANY)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(sys.executable)
    program = folder / "bin/lm-eval"
    program.write_text(TOOL.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("CONCH_API_KEY", KEY)
    return small


def bench(server: FakeServer, *words: str, out: str = "out") -> tuple[str, ...]:
    where = ("--base-url", server.url, "--model", "conch", "--with", "lm-eval", "--out", out)
    return ("bench", *where, *words)


def test_scores_come_out_and_the_key_travels_apart(tool: SmallWorld, server: FakeServer) -> None:
    said = tool.run(*bench(server, "--json", "--", "--tasks", "mine"))
    data = said.envelope["data"]
    assert (said.code, said.envelope["ok"]) == (0, True)
    assert data["scores"] == [{"task": "mine", "metric": "acc", "value": 0.75, "n": 4}]
    folder = Path(data["folder"])
    assert folder.parent == tool.project / "out"
    assert folder.stat().st_mode & 0o077 == 0
    seen = json.loads((folder / "seen.json").read_bytes())
    assert seen["env"]["OPENAI_API_KEY"] == KEY
    assert "CONCH_API_KEY" not in seen["env"]
    assert "127.0.0.1" in seen["env"]["NO_PROXY"]
    assert KEY not in str(seen["argv"])
    assert KEY not in said.out + said.err
    assert Path(seen["cwd"]) == tool.project, "files that the arguments name are found"
    assert "asking mine with ***" in said.err
    assert "green \\x1b[2Jwild" in said.err


def test_with_a_recipe_it_lies_in_the_run_s_folder(
    trained: SmallWorld, tool: SmallWorld, server: FakeServer
) -> None:
    server.models = ["small"]
    said = tool.run("bench", "small", "--base-url", server.url, "--with", "lm-eval", "--", "--tasks", "mine")
    assert said.code == 0, said.err
    assert said.out.startswith("mine  acc  0.75  of 4\nwritten to ")
    (folder,) = (trained.last().path / "bench").iterdir()
    assert folder.name.startswith("lm-eval-")
    assert (folder / "bench.log").is_file()


def test_a_tool_that_fails_ends_it_with_4(tool: SmallWorld, server: FakeServer) -> None:
    said = tool.run(*bench(server, "--", "--tasks", "fail"))
    assert said.code == 4
    assert "there is no such task" in said.err
    assert "bench.log" in said.err


def test_a_tool_that_leaves_nothing_has_failed(tool: SmallWorld, server: FakeServer) -> None:
    said = tool.run(*bench(server, "--", "--tasks", "nothing"))
    assert (said.code, "left no result" in said.err) == (4, True)


def test_ctrl_c_ends_the_tool_as_well(tool: SmallWorld, server: FakeServer) -> None:
    child = tool.start(*bench(server, "--", "--tasks", "hang"))
    deadline = time.monotonic() + 30
    while not list(tool.project.glob("out/*/seen.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(2)
    assert child.wait(30) == 130
    assert "interrupted" in tool.read("said.err")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--with", "lm-eval"), "give --base-url and --model"),
        (("--with", "lmeval"), "'lmeval' is not one of"),
        (("small",), "--with"),
        (("nix", "--with", "lm-eval", "--", "--tasks", "x"), "nix"),
    ],
)
def test_what_cannot_be_run_is_told(tool: SmallWorld, words: tuple[str, ...], told: str) -> None:
    said = tool.run("bench", *words)
    assert said.code == 2
    assert told in said.err


def test_what_is_refused_leaves_no_folder(tool: SmallWorld, server: FakeServer) -> None:
    said = tool.run(*bench(server, "--", "--tasks", "x", "--model_args", "y"))
    assert (said.code, "--model_args is given by Conch" in said.err) == (2, True)
    no_place = tool.run("bench", "small", "--base-url", server.url, "--model", "conch", "--with", "lm-eval")
    assert (no_place.code, "--out DIR" in no_place.err) == (2, True)
    assert not (tool.project / "out").exists()


def test_a_server_that_is_not_there_or_wants_another_key(
    tool: SmallWorld, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tool.run("bench", "small", "--with", "lm-eval", "--out", "out", "--", "--tasks", "x")
    assert (gone.code, "conch serve small" in gone.err) == (3, True)
    monkeypatch.setenv("CONCH_API_KEY", "another-key")
    wrong = tool.run(*bench(server, "--", "--tasks", "x"))
    assert (wrong.code, "requires a key" in wrong.err) == (3, True)
