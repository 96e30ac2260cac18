"""Faults that let somebody in: secrets that are found, text that is obeyed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.execute.host.ports import free_port
from orchestrator.outside import visible
from tests.small_world import SmallWorld
from tests.watch import Watch

HUB_TOKEN, KEY, FILE_KEY = "hf_CANARY" + "a" * 30, "sk-CANARY-env-0001", "sk-CANARY-file-0002"
CANARY = b"CANARY"


def holding(folder: Path, text: bytes = CANARY, *, but: frozenset[str] = frozenset()) -> list[str]:
    """The files below a folder that hold a text."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in files if path.name not in but and text in path.read_bytes()]


def test_fault_094_a_secret_is_found_nowhere_after_a_run(
    small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", HUB_TOKEN)
    monkeypatch.setenv("CONCH_API_KEY", KEY)
    watch = Watch()
    assert small.script("run", "small").code == 0
    key_file = small.project / "the.key"
    key_file.touch(mode=0o600)
    key_file.write_text(FILE_KEY, encoding="utf-8")
    port = str(free_port("127.0.0.1", 0))
    served = small.script("serve", "small", "--key-file", str(key_file), "--port", port, "--detach")
    small.script("stop")
    assert served.code == 0, served.err
    watch.end()
    assert any(b"llamafactory-cli" in words for words in watch.seen), "the sampling saw the run"
    assert not [words for words in watch.seen if CANARY in words]
    assert holding(tmp_path, but=frozenset({"the.key"})) == []


def test_fault_094_control_a_word_on_a_command_line_is_read_by_all(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(30)", "--api-key", KEY], cwd=tmp_path
    )
    try:
        time.sleep(0.2)
        assert CANARY in Path(f"/proc/{child.pid}/cmdline").read_bytes()
        assert Path(f"/proc/{child.pid}/cmdline").stat().st_mode & stat.S_IROTH
    finally:
        child.kill()
        child.wait()


def test_fault_093_what_a_run_writes_is_private_whatever_the_umask(small: SmallWorld) -> None:
    before = os.umask(0)
    try:
        assert small.run("sft", "small").code == 0
    finally:
        os.umask(before)
    run = small.last().path
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    for name in ("state.json", "events.jsonl", "manifest.json", "logs/train.log"):
        assert stat.S_IMODE((run / name).stat().st_mode) == 0o600, name


def test_fault_093_control_a_plain_file_is_everybodys(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        (tmp_path / "key").write_text(KEY, encoding="utf-8")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o666


def test_fault_096_control_a_makefile_that_quotes_runs_it(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("sft: ; @echo '$(recipe)'\n", encoding="utf-8")
    env = {"PATH": os.environ["PATH"]}
    subprocess.run(
        ["make", "sft", "recipe=';touch P;'"], cwd=tmp_path, env=env, check=False, capture_output=True
    )
    assert (tmp_path / "P").exists()


OBEYED = "\x1b[2J\x1b]52;c;AAAA\x07\x1b]8;;http://x\x07\x9b31m\r\b\u202e\u2066\u200b"


def test_fault_098_an_answer_is_shown_and_not_obeyed(small: SmallWorld) -> None:
    rows = small.project / "dataset_info/small.jsonl"
    row = {"instruction": "你是谁", "input": "", "output": f"我是神奇海螺{OBEYED}三块钱"}
    rows.write_text(
        json.dumps(row) + "\n" + json.dumps({**row, "instruction": "今天吃什么"}) + "\n", encoding="utf-8"
    )
    said = small.run("run", "small", "--set", "verify.base=false", "--accept-mismatch")
    text = said.out + said.err
    assert said.code in {0, 2, 5}, text
    for character in filter(lambda one: not one.isprintable(), OBEYED):
        assert character not in text.replace("\r\x1b[2K", ""), repr(character)


def test_fault_098_control_a_print_hands_it_on() -> None:
    done = subprocess.run([sys.executable, "-c", f"print({OBEYED!r})"], capture_output=True, check=True)
    assert b"\x1b[2J" in done.stdout
    assert "\x1b" not in visible(OBEYED)
