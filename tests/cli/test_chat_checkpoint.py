"""`conch chat --checkpoint`: a server of its own for the time, beside a training; nothing is left."""
# Covers execute/serving/serve_checkpoint.py

from __future__ import annotations

import io
import json
import os
import shutil
import signal

import pytest

from orchestrator.errors import StageFailed
from orchestrator.execute.run_store.run_lock import hold
from tests.fakes.openai_server import Said, openai_server
from tests.in_process import served_in_process
from tests.small_world import SmallWorld, make_checkpoint


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
        early = saved.run("chat", "small", "--checkpoint", "99")
        said = saved.run("chat", "small", "--checkpoint", "last", "--json")
    assert (early.code, "wait for the checkpoint" in early.err) == (3, True)
    assert said.code == 0, said.err
    turn, envelope = map(json.loads, said.out.splitlines())
    assert turn == {"question": "你是谁", "answer": "我是神奇海螺。"}
    assert (envelope["data"]["model"], envelope["data"]["run"]) == ("checkpoint-8", saved.last().name)
    assert "is in use" in said.err
    assert not saved.processes()
    assert list((saved.project / "runs/.chat").iterdir()) == []


def test_a_signal_ends_the_server_and_a_server_that_ended_ends_the_conversation(
    saved: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(messages: list[dict[str, str]]) -> Said:
        if messages[-1]["content"] == "停":
            os.kill(os.getpid(), signal.SIGTERM)
        return Said("好")

    with openai_server(answer) as server:
        started = served_in_process(monkeypatch, "orchestrator.execute.serving.serve_checkpoint", server)
        monkeypatch.setattr("sys.stdin", io.StringIO("你好\n停\n谁\n"))
        said = saved.run("chat", "small", "--checkpoint", "8")
        assert said.code == 143, said.err
        assert said.out.startswith("好\n")
        (up,) = started.servers
        assert up.stopped
        assert not up.folder.exists()
        monkeypatch.setattr(type(up), "check", died)
        server.fault, server.fault_after = "cut", len(server.requests) + 1
        monkeypatch.setattr("sys.stdin", io.StringIO("你好\n"))
        said = saved.run("chat", "small", "--checkpoint", "8")
        assert said.code == 4
        assert "chat-server: killed" in said.err


def died(_: object) -> None:
    raise StageFailed("chat-server: killed")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--checkpoint", "99"], 3, "has no checkpoint 99 (available: 4, 5, 8, 9)"),
        (["--checkpoint", "9"], 3, "trainer_state.json is missing or truncated"),
        (["--checkpoint", "best"], 2, 'no checkpoint is called "best"'),
        (["--checkpoint", "8", "--base-url", "http://127.0.0.1:1/v1"], 2, "omit --base-url"),
    ],
)
def test_what_cannot_be_served_is_said(saved: SmallWorld, words: list[str], code: int, told: str) -> None:
    said = saved.run("chat", "small", *words)
    assert (said.code, told in said.err) == (code, True), said.err


def test_no_run_and_no_adapter_are_said(small: SmallWorld, saved: SmallWorld) -> None:
    said = small.run("chat", "other", "--checkpoint", "last")
    assert said.code == 3
    assert "there is no run of other yet" in said.err
    for config in saved.last().path.glob("adapter/checkpoint-*/adapter_config.json"):
        config.unlink()
        shutil.copytree(saved.project / "base", config.parent, dirs_exist_ok=True)
    said = saved.run("chat", "small", "--checkpoint", "last")
    assert said.code == 3
    assert "train.method is not lora" in said.err
