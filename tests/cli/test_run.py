"""`conch run` from a recipe to verified answers, over the fake engines; and carry_out, which `sft` shares."""
# Covers cli/carry_out.py

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from orchestrator.plan.stages import STAGES as EVERY_STAGE
from orchestrator.results import Status
from orchestrator.templates.pairing import digest_of
from tests.small_world import ROWS, SmallWorld

# Those of a recipe that scores no split, asks no general question and has no target.
OTHERS = ("evaluate", "general", "target", "expand", "rewards")
STAGES = [name for name in EVERY_STAGE if not name.startswith(OTHERS)]

NO_BASE = ("--set", "verify.base=false")


def statuses(world: SmallWorld) -> dict[str, Status]:
    return {run.stage: run.status for run in world.last().runs()}


def test_a_recipe_becomes_verified_answers_and_the_second_time_nothing_is_done(small: SmallWorld) -> None:
    said = small.run("run", "small")
    assert said.code == 0, said.err
    assert said.err.startswith("small: training ./base on cpu (fp32)\n")
    for words in ("proven      parity:data", "proven      parity:export", "checks      2 of 2 passed"):
        assert words in said.out
    assert "the base model passed 0 of 2" in said.out
    assert f"tuned: {ROWS['你是谁']}" in said.out
    assert statuses(small) == dict.fromkeys(STAGES, Status.DONE)
    run = small.last().path
    assert "2 of 2" not in (run / "report/report.md").read_text(encoding="utf-8")
    assert "神奇海螺" in (run / "report/report.md").read_text(encoding="utf-8")
    assert (run / "export/chat_template.jinja").read_text(encoding="utf-8") == small.read(
        "chat_templates/deepseekr1-on-keep.jinja"
    )
    assert "chat_template" not in json.loads((run / "export/tokenizer_config.json").read_text())
    assert small.processes() == []

    again = small.run("run", "small", "--json")
    assert again.code == 0
    assert again.envelope["ok"] is True
    runs = again.envelope["data"]["runs"]
    assert [(one["stage"], one["status"]) for one in runs] == [(name, "skipped") for name in STAGES]
    assert again.envelope["data"]["folder"] == str(run)
    assert again.err.count("skipped (inputs unchanged)") == len(STAGES)


def test_a_failed_check_is_exit_5_and_the_report_is_written(small: SmallWorld) -> None:
    small.write_recipe(("contains: 三块钱", "contains: 五块钱"))
    said = small.run("run", "small", *NO_BASE, "--json")
    assert said.code == 5, said.err
    assert said.envelope["ok"] is False
    verdicts = said.envelope["data"]["verdicts"]
    assert [one["passed"] for one in verdicts if one["check"] == "contains"] == [True, False]
    report = (small.last().path / "report/report.md").read_text(encoding="utf-8")
    assert "未通过" in report
    assert statuses(small)["judge"] is Status.REFUTED

    # The check is fixed: the model is not trained again, and what was answered is judged again.
    small.write_recipe()
    fixed = small.run("run", "small", *NO_BASE)
    assert fixed.code == 0, fixed.err
    runs = {run.stage: run.reason for run in small.last().runs()}
    assert "reused from run" in runs["train"]
    assert "reused from run" in runs["export"]


def test_a_trainer_that_was_killed_is_exit_4_with_its_cause_and_the_same_line_goes_on(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "oom")
    said = small.run("run", "small", *NO_BASE)
    assert said.code == 4
    assert "killed by signal 9, SIGKILL (out of memory?)" in said.err
    assert "lower train.batch_size" in said.err
    assert said.out == ""
    assert statuses(small)["train"] is Status.FAILED
    assert not (small.last().path / "adapter").exists()

    monkeypatch.delenv("CONCH_FAULT")
    said = small.run("run", "small", *NO_BASE)
    assert said.code == 0, said.err
    assert said.err.count("skipped (inputs unchanged)") == 3
    assert "· Comparing training and serving tokens of the data: skipped" in said.err


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_in_training_leaves_no_process_and_says_what_goes_on(
    small: SmallWorld, signum: int, code: int
) -> None:
    env = {"CONCH_FAULT": "slow-ready", "CONCH_FAKE_STEPS": "60"}
    child = small.start("run", "small", *NO_BASE, env=env)
    deadline = time.monotonic() + 60
    while not list(small.project.glob("runs/small/*/adapter.partial-0/trainer_log.jsonl")):
        assert child.poll() is None, small.read("said.err")
        assert time.monotonic() < deadline
        time.sleep(0.1)
    child.send_signal(signum)
    assert child.wait(30) == code
    assert small.processes() == []
    words = small.read("said.err")
    assert "Traceback" not in words
    assert "interrupted" in words
    assert statuses(small)["train"] is Status.INTERRUPTED
    assert [path.name for path in small.last().path.glob("adapter")] == []


def edit_template(world: SmallWorld) -> None:
    """A space more than was trained before each question; the pairing says it is meant."""
    jinja = world.project / "chat_templates/deepseekr1-on-keep.jinja"
    text = jinja.read_text(encoding="utf-8").replace("'<｜User｜>'", "'<｜User｜> '")
    jinja.write_text(text, encoding="utf-8")
    pairing = jinja.with_suffix(".yaml")
    kept = [line for line in pairing.read_text(encoding="utf-8").splitlines() if "sha256" not in line]
    pairing.write_text("\n".join([*kept, f"sha256: {digest_of(text)}", ""]), encoding="utf-8")


def test_tokens_that_differ_are_not_trained_on_unless_accepted_by_name(small: SmallWorld) -> None:
    edit_template(small)
    said = small.run("sft", "small")
    assert said.code == 5, said.err
    assert "REFUTED     parity:data" in said.out
    assert "conch serve" not in said.out
    assert set(statuses(small)) == {"fetch", "prepare", "prove_data"}

    accepted = small.run("sft", "small", "--accept-mismatch")
    assert accepted.code == 0, accepted.err
    assert "ACCEPTED    parity:data" in accepted.out
    assert statuses(small)["export"] is Status.DONE


def test_a_server_without_memory_is_exit_3_with_its_own_words(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert small.run("sft", "small").code == 0
    monkeypatch.setenv("CONCH_FAULT", "oom")
    said = small.run("run", "small", *NO_BASE)
    assert said.code == 3
    assert "not enough free GPU memory (3.5 of 79.1 GiB are free)" in said.err
    assert "nvidia-smi" in said.err
    assert Path(small.last().path / "export").is_dir()


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [("die-after-ready", 4, "killed by signal 9"), ("hang", 7, "server: not ready after")],
)
def test_a_server_that_fails_is_told_and_nothing_is_left(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch, fault: str, code: int, words: str
) -> None:
    assert small.run("sft", "small").code == 0
    monkeypatch.setenv("CONCH_FAULT", fault)
    said = small.script("run", "small", *NO_BASE, "--set", "serve.ready_timeout=2")
    assert said.code == code, said.err
    assert words in said.err
    assert "logs/server.log" in said.err
    assert said.out == ""
    assert small.processes() == []
    assert Status.FAILED in statuses(small).values()


def test_two_at_once_are_not_let(small: SmallWorld) -> None:
    from orchestrator.execute.run_store.run_lock import hold

    with hold(small.project, "small"):
        said = small.run("run", "small", "--json")
    assert said.code == 6
    assert "another run of small is in progress" in said.envelope["problems"][0]["what"]
