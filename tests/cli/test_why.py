"""`conch why` in a small world: each place of loss made by hand; what is not asked again."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.inference.transcripts import line_of
from orchestrator.execute.run_store.fingerprint import fingerprint
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import read_plan
from orchestrator.results import StageResult, Status, Transcript, Turn
from tests.fakes.answering_server import answering_server
from tests.small_world import ROWS, SmallWorld

THOUGHT = "<think>\n\n</think>\n\n"


def forget(folder: Path) -> None:
    """A model that knows nothing any more."""
    (folder / "answers.json").write_text("{}", encoding="utf-8")


def why(small: SmallWorld, *words: str) -> tuple[int, dict[str, Any]]:
    said = small.run("why", "small", "--json", *words)
    data: dict[str, Any] = said.envelope["data"]
    return said.code, data


def right(question: str) -> str:
    return ROWS.get(question, question)


def passed(data: dict[str, Any]) -> dict[str, int]:
    return {name: arm["passed"] for name, arm in data["stages"].items()}


def was_asked(run: Run) -> None:
    """The record that the stage `ask` leaves."""
    stage = read_plan(run).stage("ask")
    for file in stage.files:
        write_durable(run.path / file.path, file.text)
    asked = ("你是谁", "今天吃什么")
    told = [Turn(({"role": "user", "content": one},), ROWS[one], finish_reason="stop") for one in asked]
    lines = [line_of(Transcript(f"checks[{at}]", "with history", (turn,))) for at, turn in enumerate(told)]
    write_durable(run.path / "answers.jsonl", "".join(lines))
    known = {path: fingerprint(run.path / path) for path in ("export", "answers.jsonl")}
    inputs, outputs = {"export": known["export"]}, {"answers.jsonl": known["answers.jsonl"]}
    run.end_stage(StageResult("ask", Status.DONE, inputs=inputs, outputs=outputs), "key")


def test_nothing_is_lost_and_what_is_known_is_not_asked_again(small: SmallWorld) -> None:
    small.after("sft", "small", "--accept-mismatch")
    was_asked(small.last())
    said = small.run("why", "small")
    assert said.code == 0, said.err
    assert "nothing is lost: base+adapter answers 2 of 2 correctly, served_chat 2, the base 0" in said.out
    assert "the answers in answers.jsonl are from this export" in said.err
    assert not (small.last().path / "logs/why-server.log").exists()
    code, data = why(small)
    assert (code, data["lost_at"], data["hint"]) == (0, None, "")
    assert passed(data) == {"base": 0, "base+adapter": 2, "merged": 2, "served_chat": 2}
    again = small.run("why", "small")
    assert "why-trained: skipped (inputs unchanged)" in again.err


def test_after_sft_alone_a_server_of_our_own_is_asked_both_ways(small: SmallWorld) -> None:
    small.after("sft", "small", "--accept-mismatch")
    code, data = why(small)
    assert (code, data["lost_at"]) == (0, None)
    assert passed(data) == dict.fromkeys(data["stages"], 2) | {"base": 0}
    assert list(data["stages"]) == ["base", "base+adapter", "merged", "served_ids", "served_chat"]
    assert small.processes() == []


def test_an_export_that_is_the_base_is_lost_in_the_merge(small: SmallWorld) -> None:
    small.after("sft", "small", "--accept-mismatch")
    forget(small.last().path / "export")
    said = small.run("why", "small")
    assert said.code == 5
    assert "the effect is lost in the merge: base+adapter answers 2 of 2 correctly, merged 0" in said.out
    assert "merged answers 2 of 2 lost questions word for word as the base does" in said.out
    assert "answers.json" in said.out  # changed since it was proven
    for text in ("你是谁", "我是神奇海螺。", "conch sft small"):
        assert text in said.out
    assert "skipping the server" in said.err


def test_an_adapter_that_learned_nothing_is_lost_in_training(small: SmallWorld) -> None:
    small.after("sft", "small", "--accept-mismatch")
    forget(small.last().path / "adapter")
    code, data = why(small)
    assert (code, data["lost_at"]) == (5, "training")
    assert "train.epochs" in data["hint"]


@pytest.mark.parametrize(("by_ids", "place"), [(str, "served weights"), (None, "served prompt")])
def test_a_server_that_is_up_is_told_weights_from_prompt(small: SmallWorld, by_ids: Any, place: str) -> None:
    small.after("sft", "small", "--accept-mismatch")
    known = by_ids or (lambda question: THOUGHT + right(question))
    with answering_server(known, lambda question: f"{question}？") as server:
        server.opening = "<｜User｜>\n"
        code, data = why(small, "--base-url", server.url)
    assert (code, data["lost_at"]) == (5, place)
    assert data["stages"]["served_chat"]["answers"]["checks[0]"] == "你是谁？"
    parted = any("the prompts differ from token" in line for line in data["evidence"])
    assert parted == (place == "served prompt")
    assert server.requests[0][1]["model"] == "small"


def test_control_characters_of_a_model_do_not_reach_the_terminal(small: SmallWorld) -> None:
    small.after("sft", "small", "--accept-mismatch")
    answers = json.dumps({"你是谁": "\x1b[2J\u202e海"}, ensure_ascii=False)
    (small.last().path / "export/answers.json").write_text(answers, encoding="utf-8")
    said = small.run("why", "small")
    assert "\x1b[2J" not in said.out
    assert "\\x1b[2J\\u202e海" in said.out


def test_without_an_export_it_says_how_to_make_one(small: SmallWorld) -> None:
    said = small.run("why", "small", "--json")
    assert said.code == 3
    assert said.envelope["problems"][0]["hint"] == "conch sft small"


def test_a_recipe_that_asks_nothing_is_told(small: SmallWorld) -> None:
    small.after("sft", "small", "--accept-mismatch")
    path = small.last().path / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8"))
    for stage in plan["stages"]:
        for file in stage["files"]:
            if file["path"] == "tasks/ask.json":
                file["text"] = json.dumps(json.loads(file["text"]) | {"cases": []})
    path.write_text(json.dumps(plan), encoding="utf-8")
    said = small.run("why", "small")
    assert said.code == 3
    assert "add expect: {contains: …} to verify.checks" in said.err


def test_ctrl_c_leaves_nothing_running_and_the_next_one_goes_on(small: SmallWorld) -> None:
    small.after("sft", "small", "--accept-mismatch")
    child = small.start("why", "small", env={"CONCH_FAULT": "hang"})
    deadline = time.monotonic() + 60
    while "answered adapter" not in small.read("said.err"):
        assert child.poll() is None, small.read("said.err")
        assert time.monotonic() < deadline
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130
    assert small.processes() == []
    assert "Traceback" not in small.read("said.err")
    assert small.run("why", "small").code == 0
