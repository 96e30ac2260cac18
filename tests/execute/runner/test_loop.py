"""The loop: order, skipping, refusing, failing, interruption, adoption; over small real processes."""
# Covers execute/launchers/commands.py

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.errors import CheckFailed, ConchError, StageFailed
from orchestrator.execute.host import signals
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.loop import Loop
from orchestrator.plan.stage import Command, Plan, RenderedFile, Service, Stage, partial
from orchestrator.results import StageResult, Status

PYTHON = "{conch}/bin/python"
FAKES = Path(__file__).parents[2] / "fakes"


@dataclass
class Heard:
    """A Progress that remembers."""

    lines: list[str] = field(default_factory=list)
    steps: list[TrainStep] = field(default_factory=list)
    ends: list[StageResult] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def start(self, number: int, total: int, stage: str, reason: str) -> None:
        self.lines.append(f"{number}/{total} {stage}: {reason}")

    def now(self, text: str) -> None:
        self.lines.append(text)

    def step(self, step: TrainStep) -> None:
        self.steps.append(step)

    def end(self, run: StageResult) -> None:
        self.ends.append(run)


def code(text: str) -> Command:
    return Command(argv=(PYTHON, "-c", text))


def writes(output: str, text: str, *, inputs: tuple[str, ...] = (), name: str = "") -> Stage:
    body = f"open({partial(output)!r}, 'w').write({text!r}); open('ran', 'a').write({output!r} + ' ')"
    return Stage(name=name or output, commands=(code(body),), inputs=inputs, outputs=(output,))


def perform(project: Path, *stages: Stage, run: Run | None = None) -> tuple[Run, list[StageResult], Heard]:
    run = run or Run.create(project, "r")
    heard = Heard()
    symbols = {"conch": sys.prefix, "project": str(project)}
    run_tag = process_tree.new_run_tag(project, run.path)
    loop = Loop(Plan("r", "headline", stages), run, symbols, {}, heard, run_tag)
    with signals.catch_signals():
        return run, list(loop.perform()), heard


def ran(run: Run) -> list[str]:
    return (run.path / "ran").read_text(encoding="utf-8").split()


def test_a_second_pass_does_nothing_again(tmp_path: Path) -> None:
    stages = writes("a", "1"), writes("b", "2", inputs=("a",))
    run, first, _ = perform(tmp_path, *stages)
    _, second, _ = perform(tmp_path, *stages, run=run)
    assert [one.status for one in first] == [Status.DONE, Status.DONE]
    assert [one.status for one in second] == [Status.SKIPPED, Status.SKIPPED]
    assert ran(run) == ["a", "b"]


def test_what_depends_on_a_change_runs_again_and_nothing_else(tmp_path: Path) -> None:
    other = writes("c", "3")
    run, _, _ = perform(tmp_path, writes("a", "1"), writes("b", "2", inputs=("a",)), other)
    _, again, heard = perform(tmp_path, writes("a", "X"), writes("b", "2", inputs=("a",)), other, run=run)
    assert [one.status for one in again] == [Status.DONE, Status.DONE, Status.SKIPPED]
    assert "2/3 b: inputs changed" in heard.lines


def test_an_output_that_was_tampered_with_is_made_again(tmp_path: Path) -> None:
    run, _, _ = perform(tmp_path, writes("a", "1"))
    (run.path / "a").write_text("changed", encoding="utf-8")
    _, again, heard = perform(tmp_path, writes("a", "1"), run=run)
    assert again[0].status is Status.DONE
    assert (run.path / "a").read_text(encoding="utf-8") == "1"
    assert "1/1 a: output changed or missing" in heard.lines


def test_another_run_takes_over_what_has_not_changed(tmp_path: Path) -> None:
    first, _, _ = perform(tmp_path, writes("a", "1"))
    second, runs, _ = perform(tmp_path, writes("a", "1"), writes("b", "2"))
    assert second.id != first.id
    assert first.name in runs[0].reason
    assert (second.path / "a").read_text(encoding="utf-8") == "1"
    assert ran(second) == ["b"]


def test_a_failed_command_names_its_stage_and_keeps_what_was_done(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "r")
    bad = Stage("bad", (code("raise SystemExit(3)"),), outputs=("x",))
    with pytest.raises(StageFailed):
        perform(tmp_path, writes("a", "1"), bad, run=run)
    assert [(one.stage, one.status) for one in run.runs()] == [("a", Status.DONE), ("bad", Status.FAILED)]
    assert not (run.path / "x").exists()


def test_success_without_the_output_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="did not create it"):
        perform(tmp_path, Stage("s", (code("pass"),), outputs=("x",)))


def test_the_words_of_a_task_reach_the_user(tmp_path: Path) -> None:
    told = json.dumps([{"what": "汉堡食谱为空", "where": "data.jsonl:3", "hint": "write one"}])
    text = f"import os; open(os.environ['CONCH_PROBLEMS'], 'w').write({told!r}); raise SystemExit(2)"
    with pytest.raises(ConchError) as caught:
        perform(tmp_path, Stage("s", (code(text),)))
    assert caught.value.exit_code == 2
    assert str(caught.value) == "data.jsonl:3  汉堡食谱为空\n    → write one"


@pytest.mark.parametrize("torn", ["", "[{", "{}", "3", '[{"who": 1}]'])
def test_a_task_that_was_killed_while_it_spoke_is_a_failed_stage(tmp_path: Path, torn: str) -> None:
    text = f"import os; open(os.environ['CONCH_PROBLEMS'], 'w').write({torn!r}); raise SystemExit(2)"
    with pytest.raises(StageFailed, match="exit code 2"):
        perform(tmp_path, Stage("s", (code(text),)))


def test_a_gate_that_says_no_ends_the_run_and_is_asked_again(tmp_path: Path) -> None:
    body = f"open({partial('proof')!r}, 'w').write('no'); raise SystemExit(5)"
    gate = Stage("gate", (code(body),), outputs=("proof",), gate=True)
    run, runs, _ = perform(tmp_path, gate, writes("b", "2"))
    assert [one.status for one in runs] == [Status.REFUTED]
    assert (run.path / "proof").read_text(encoding="utf-8") == "no"
    assert not (run.path / "b").exists()
    _, again, _ = perform(tmp_path, gate, writes("b", "2"), run=run)
    assert again[0].status is Status.REFUTED


def test_a_judgement_that_says_no_does_not_end_the_run(tmp_path: Path) -> None:
    body = f"open({partial('v')!r}, 'w').write('no'); raise SystemExit(5)"
    _, runs, _ = perform(tmp_path, Stage("judge", (code(body),), outputs=("v",)), writes("b", "2"))
    assert [one.status for one in runs] == [Status.REFUTED, Status.DONE]


def test_rendered_files_and_steps_are_followed(tmp_path: Path) -> None:
    line = json.dumps({"current_steps": 1, "total_steps": 1, "loss": 0.5}) + "\n"
    body = f"open('log', 'w').write({line!r}); open({partial('o')!r}, 'w').write(open('cfg').read())"
    stage = Stage("s", (code(body),), files=(RenderedFile("cfg", "x: 你\n"),), outputs=("o",), progress="log")
    run, _, heard = perform(tmp_path, stage)
    assert (run.path / "o").read_text(encoding="utf-8") == "x: 你\n"
    assert [(step.step, step.loss) for step in heard.steps] == [(1, 0.5)]


def test_a_killed_loop_goes_on_where_it_was(tmp_path: Path) -> None:
    """After kill -9 of the orchestrator while a stage works, the next start redoes that stage alone."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_loop import perform, slow, writes
from orchestrator.execute.run_store.run_folder import Run
project = Path({str(tmp_path)!r})
perform(project, writes("a", "1"), slow(60), run=Run.last(project, "r"))
"""
    run = Run.create(tmp_path, "r")
    child = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 20
    while not (run.path / "slow.started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert process_tree.stop_tagged(process_tree.run_prefix(tmp_path, run.path))
    _, runs, heard = perform(tmp_path, writes("a", "1"), slow(0), run=run)
    assert [one.status for one in runs] == [Status.SKIPPED, Status.DONE]
    assert any("interrupted" in line or "changed" in line for line in heard.lines)
    assert ran(run) == ["a"]


def slow(seconds: int) -> Stage:
    body = f"import time; open('slow.started', 'w').close(); time.sleep({seconds}); "
    return Stage("slow", (code(body + f"open({partial('slow')!r}, 'w').write('x')"),), outputs=("slow",))


@pytest.mark.parametrize("warm", [False, True])
def test_a_service_is_up_for_its_stage_and_gone_after(tmp_path: Path, *, warm: bool) -> None:
    body = (
        "import os, urllib.request as u; "
        "opener = u.build_opener(u.ProxyHandler({})); "
        "text = opener.open(os.environ['CONCH_SERVICE_URL'] + '/models').read().decode(); "
        f"open({partial('models')!r}, 'w').write(text)"
    )
    (config := tmp_path / "vllm.yaml").write_text("{}", encoding="utf-8")
    arguments = ("serve", "export", "--config", str(config), "--host", "127.0.0.1", "--port", "{port}")
    argv = (PYTHON, str(FAKES / "vllm"), *arguments, "--served-model-name", "海螺")
    service = Service("vllm", Command(argv=argv), "海螺", ready_timeout=30)
    if warm:
        waits = "import sys, json, runpy; sys.argv = json.loads(sys.stdin.readline()); "
        waits += f"runpy.run_path({str(FAKES / 'vllm')!r}, run_name='__main__')"
        service = replace(service, warm=code(waits), warm_during="export")
    made = partial("export")
    folder = f"import os; os.mkdir({made!r}); open({made!r} + '/config.json', 'w').write('{{}}')"
    stages = (
        Stage("export", (code(folder),), outputs=("export",)),
        Stage("ask", (code(body),), outputs=("models",), service=service),
    )
    run, runs, _ = perform(tmp_path, *stages)
    assert [one.status for one in runs] == [Status.DONE, Status.DONE]
    assert "海螺" in json.dumps(json.loads((run.path / "models").read_text()), ensure_ascii=False)
    assert not process_tree.scan(process_tree.run_prefix(tmp_path, run.path))


def test_a_training_that_lost_rows_is_ended_at_its_first_step(tmp_path: Path) -> None:
    body = (
        "import json, os, time; print('  Num examples = 2', flush=True);"
        "open('pid', 'w').write(str(os.getpid()));"
        "open('t.jsonl', 'w').write(json.dumps({'current_steps': 1, 'total_steps': 9}) + chr(10));"
        "time.sleep(60)"
    )
    told = json.dumps({"datasets": [{"part": "train", "rows": 3}]})
    files = RenderedFile("data/prepare.json", told), RenderedFile("train.yaml", "stage: sft\n")
    run = Run.create(tmp_path, "r")
    began = time.monotonic()
    with pytest.raises(CheckFailed, match="started with 2 rows, but 3 were prepared"):
        perform(tmp_path, Stage("train", (code(body),), files=files, progress="t.jsonl"), run=run)
    assert time.monotonic() - began < 30
    pid = int((run.path / "pid").read_text(encoding="utf-8"))
    assert not Path(f"/proc/{pid}").exists()
