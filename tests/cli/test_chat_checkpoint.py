"""`conch chat --checkpoint`: a server of its own for the time, beside a training; nothing is left."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time

import pytest

from orchestrator.execute.state import hold
from tests.small_world import CONCH, SmallWorld, make_checkpoint


@pytest.fixture
def saved(trained: SmallWorld) -> SmallWorld:
    """Whole checkpoints up to 8, and 9, which is being saved."""
    folder = trained.last().path / "adapter"
    make_checkpoint(folder / "checkpoint-8", 8, '{"r": 5}')
    torn = make_checkpoint(folder / "checkpoint-9", 9, '{"r": 5}')
    (torn / "trainer_state.json").unlink()
    return trained


def test_it_answers_beside_a_training_and_is_gone_afterwards(
    saved: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("你是谁\n"))
    with hold(saved.project, "small"):
        said = saved.run("chat", "small", "--checkpoint", "last", "--json")
    assert said.code == 0, said.err
    turn, envelope = map(json.loads, said.out.splitlines())
    assert turn == {"question": "你是谁", "answer": "我是神奇海螺。"}
    assert (envelope["data"]["model"], envelope["data"]["run"]) == ("checkpoint-8", saved.last().name)
    assert "is being worked on" in said.err
    assert not saved.processes()
    assert list((saved.project / "runs/.chat").iterdir()) == []


def test_a_signal_leaves_nothing(saved: SmallWorld) -> None:
    argv = [str(CONCH), "chat", "small", "--checkpoint", "8"]
    with (saved.project / "said.err").open("wb") as err:
        child = subprocess.Popen(
            argv, cwd=saved.project, env=os.environ, stdin=subprocess.PIPE, stdout=err, stderr=err
        )
    deadline = time.monotonic() + 60
    while "ready in" not in saved.read("said.err"):
        assert child.poll() is None, saved.read("said.err")
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert saved.processes()
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 143
    assert child.stdin is not None
    child.stdin.close()
    assert not saved.processes()
    assert not [path for path in (saved.project / "runs/.chat").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--checkpoint", "99"], 3, "keeps no checkpoint 99 (there are: 4, 5, 8, 9)"),
        (["--checkpoint", "9"], 3, "trainer_state.json is missing or torn"),
        (["--checkpoint", "best"], 2, 'no checkpoint is called "best"'),
        (["--checkpoint", "8", "--base-url", "http://127.0.0.1:1/v1"], 2, "leave --base-url out"),
    ],
)
def test_what_cannot_be_served_is_said(saved: SmallWorld, words: list[str], code: int, told: str) -> None:
    said = saved.run("chat", "small", *words)
    assert (said.code, told in said.err) == (code, True), said.err


def test_no_run_and_no_adapter_are_said(small: SmallWorld, saved: SmallWorld) -> None:
    said = small.run("chat", "other", "--checkpoint", "last")
    assert said.code == 3
    assert "there is no run of other yet" in said.err
    plan = saved.last().path / "plan.json"
    text = plan.read_text(encoding="utf-8")
    assert "finetuning_type: lora" in text
    plan.write_text(text.replace("finetuning_type: lora", "finetuning_type: full"), encoding="utf-8")
    said = saved.run("chat", "small", "--checkpoint", "last")
    assert said.code == 3
    assert "train.method is full" in said.err
