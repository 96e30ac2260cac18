"""Bad input on the command line: an exact exit code, one clear message with its fix, never a traceback.

Every case is told twice, as words by the console script and as the one JSON object of --json.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.small_world import CONCH, Said, SmallWorld


@dataclass(frozen=True)
class Bad:
    """A mistake: how it is made, what is typed, and what is answered.

    `where` and `hint` are looked for in the words and in the problem of the envelope.
    """

    name: str
    spoil: Callable[[SmallWorld], object]
    code: int
    what: str
    where: str
    hint: str
    words: tuple[str, ...] = ("run", "small", "--set", "verify.base=false")


def recipe(*changes: tuple[str, str]) -> Callable[[SmallWorld], object]:
    return lambda world: world.write_recipe(*changes)


def remove(*names: str) -> Callable[[SmallWorld], object]:
    def spoil(world: SmallWorld) -> None:
        for name in names:
            path = world.project / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def write(name: str, content: bytes) -> Callable[[SmallWorld], object]:
    return lambda world: (world.project / name).write_bytes(content)


BASE = "model: {base: ./base}"
BAD = (
    Bad(
        "unknown key",
        recipe((BASE, f"{BASE}\ntrian: {{epochs: 3}}")),
        2,
        '"trian"; did you mean "train"?',
        "recipes/small.yaml:2:1",
        "train",
    ),
    Bad(
        "wrong type",
        recipe((BASE, f"{BASE}\ntrain: {{epochs: many}}")),
        2,
        "train.epochs",
        "recipes/small.yaml:2:17",
        "many",
    ),
    Bad("not YAML", recipe((BASE, "model: {base: [")), 2, "", "recipes/small.yaml:", ""),
    Bad(
        "unknown check",
        recipe(("contains: 三块钱", "contain: 三块钱")),
        2,
        'did you mean "contains"?',
        "recipes/small.yaml:10:16",
        "checks: ",
    ),
    Bad(
        "owned key",
        recipe((BASE, f"{BASE}\nvllm: {{--served_model_name: x}}")),
        2,
        "Conch sets this itself",
        "recipes/small.yaml:2:8",
        "use serve.model instead",
    ),
    Bad(
        "unknown data set",
        recipe(("dataset: small", "dataset: smal")),
        2,
        'no dataset named "smal"; did you mean "small"?',
        "recipes/small.yaml:2:17",
        "dataset_info/smal.yaml",
    ),
    Bad(
        "data file gone",
        remove("dataset_info/small.jsonl"),
        3,
        "dataset_info/small.jsonl: no such data file",
        "dataset_info/small.yaml",
        "create the file",
    ),
    Bad(
        "data is not JSON",
        write("dataset_info/small.jsonl", b'{"instruction": "a", "output": "b"}\n{"instruction": \n'),
        2,
        "",
        "dataset_info/small.jsonl:2",
        "",
    ),
    Bad(
        "paraphrases gone",
        remove("dataset_info/small.paraphrases.jsonl"),
        3,
        "no paraphrases",
        "small.paraphrases.jsonl",
        "check the name",
    ),
    Bad(
        "no chat template for it",
        recipe(("deepseekr1", "vicuna")),
        2,
        "no chat template reproduces template vicuna",
        "recipes/small.yaml:3",
        "template.name",
    ),
    Bad(
        "base folder gone",
        remove("base"),
        3,
        "model.base: no folder ./base",
        "recipes/small.yaml:1:15",
        "name a folder or a hub id",
    ),
    Bad(
        "base without weights",
        remove("base/model.safetensors"),
        3,
        "has no weights",
        "base",
        "",
    ),
    Bad(
        "base cut short",
        write("base/model.safetensors", b"\x00" * 20),
        3,
        "is truncated",
        "base/model.safetensors",
        "",
    ),
    Bad("base is a pickle", write("base/config.json", b"\x80\x04"), 3, "", "base/config.json", ""),
    Bad(
        "override of nothing",
        lambda _: None,
        2,
        "did you mean",
        "--set",
        "",
        ("run", "small", "--set", "train.epoch=3"),
    ),
    Bad("no such recipe", lambda _: None, 2, 'no recipe named "smol"', "", "small", ("run", "smol")),
    Bad("not a project", remove("recipes"), 3, "no recipes/ here", "", "mkdir recipes"),
)


def check(bad: Bad, said: Said, whole: Said) -> None:
    """Words and envelope are what was promised."""
    assert said.code == bad.code, said.err
    assert said.out == ""
    for words in (bad.what, bad.where, bad.hint):
        assert words in said.err
    assert "Traceback" not in said.err
    assert "a bug in Conch" not in said.err

    assert whole.code == bad.code
    envelope = whole.envelope
    assert list(envelope) == ["version", "command", "ok", "data", "problems"]
    assert (envelope["version"], envelope["command"], envelope["ok"]) == (1, bad.words[0], False)
    problem = envelope["problems"][0]
    assert bad.what in problem["what"]
    assert bad.where in f"{problem['where']} {problem['what']}"
    assert bad.hint in f"{problem['what']} {problem['hint']}"
    assert "Traceback" not in whole.err


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_input_is_one_clear_message(bad: Bad, small: SmallWorld) -> None:
    bad.spoil(small)
    check(bad, small.script(*bad.words), small.run(*bad.words, "--json"))
    assert small.processes() == []


@pytest.mark.parametrize("verb", ["run", "sft", "parity", "serve"])
def test_without_environments_the_command_that_makes_them_is_named(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str
) -> None:
    if verb == "serve":
        small.after("sft", "small")
    monkeypatch.setenv("CONCH_HOME", str(tmp_path / "empty"))
    said, whole = small.script(verb, "small"), small.run(verb, "small", "--json")
    assert said.code == whole.code == 3
    lacking = {"serve"} if verb == "serve" else {"serve", "train"}
    for name in lacking:
        hint = rf"the {name} environment for cpu is not installed\n    → (\S+/)?conch env sync {name}"
        assert re.search(hint, said.err)
    assert len(whole.envelope["problems"]) == len(lacking)
    assert not (tmp_path / "empty").exists()


def test_a_taken_port_is_said_with_the_way_out(small: SmallWorld) -> None:
    small.after("sft", "small")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        what = f"port {port}: cannot listen on 127.0.0.1: Address already in use"
        words = ("serve", "small", "--port", str(port))
        bad = Bad("port", lambda _: None, 3, what, "", "--port", words)
        check(bad, small.script(*words), small.run(*words, "--json"))
    assert small.processes() == []


def test_fault_038_a_disk_without_room_is_said_before_anything_is_done(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(total=10**9, used=10**9, free=10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    said = small.run("run", "small", "--json")
    assert said.code == 3
    (problem,) = said.envelope["problems"]
    assert problem["what"].startswith("0.1 GB are free")
    assert problem["where"] == str(small.project)
    assert "remove old runs" in problem["hint"]
    assert not (small.project / "runs").exists()


@pytest.mark.parametrize("limit", [64, 2048, 16384])
def test_fault_041_a_disk_that_fills_up_in_between_is_said_and_the_same_line_goes_on(
    small: SmallWorld, limit: int
) -> None:
    """A file cannot grow beyond the limit: what write() says then is taken for a full disk."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    done = subprocess.run(
        [CONCH, "sft", "small", "--json"],
        cwd=small.project,
        # The interpreter does not see that it could write only half of a module's bytecode.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=bound,
        check=False,
    )
    assert done.returncode in (3, 4), done.stderr
    assert "Traceback" not in done.stderr
    envelope = json.loads(done.stdout)
    assert envelope["ok"] is False
    assert any("disk full" in problem["what"] for problem in envelope["problems"]), envelope
    assert small.processes() == []
    after = small.run("sft", "small")
    assert after.code == 0, after.err


def test_all_that_is_wrong_is_said_at_once(small: SmallWorld) -> None:
    small.write_recipe((BASE, f"{BASE}\ntrian: 1\ntrain: {{epochs: -1, batch_size: 0}}"))
    said = small.run("run", "small", "--json")
    assert said.code == 2
    assert len(said.envelope["problems"]) == 3
