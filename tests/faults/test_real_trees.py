"""The trees of the real engines: torchrun's ranks and vLLM's processes are gone after a stop, whoever died.

Minutes on two cores, so not part of a test run: `make faults` and `make soak` run them.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.backends import llamafactory, vllm
from orchestrator.errors import ConchError, StageFailed
from orchestrator.execute.environments import registry
from orchestrator.execute.models import demo_model
from orchestrator.execute.processes import process, process_tree
from orchestrator.execute.processes.child_environment import PROBES, child_environment, resolve_argv
from orchestrator.execute.servers import service
from orchestrator.execute.servers.service import Running
from orchestrator.plan.stage import Command
from tests.plan.test_plan import job_of

pytestmark = [pytest.mark.soak]
ROWS = [{"messages": [{"role": "user", "content": "你是谁"}, {"role": "assistant", "content": "海螺。"}]}] * 8


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A run folder with the embedded base, eight rows, and what both engines read."""
    run = tmp_path / "run"
    (run / "inputs").mkdir(parents=True)
    base = demo_model.ensure_embedded(print)
    (run / "inputs/base").symlink_to(base, target_is_directory=True)
    (run / "export").symlink_to(base, target_is_directory=True)
    job = job_of("smoke", "cpu", "train.max_steps=500")
    (run / "train.yaml").write_text(llamafactory.train_yaml(job), encoding="utf-8")
    (run / "vllm.yaml").write_text(vllm.config(job), encoding="utf-8")
    (run / "chat_template.jinja").write_text(job.chat_template, encoding="utf-8")
    (run / "data").mkdir()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    entry = {"file_name": "smoke.jsonl", "formatting": "sharegpt", "columns": {"messages": "messages"}}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    (run / "data/smoke.jsonl").write_text(lines, encoding="utf-8")
    (run / "data/dataset_info.json").write_text(
        json.dumps({"smoke": {**entry, "tags": tags}}), encoding="utf-8"
    )
    yield run
    process_tree.stop_tagged(process_tree.run_prefix(tmp_path, run), grace=1)


def wait(what: Callable[[], object], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        said = log.read_text(encoding="utf-8", errors="replace")[-3000:] if log.exists() else ""
        assert time.monotonic() < deadline, said
        time.sleep(0.2)


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def torchrun(folder: Path) -> process.Process:
    """A real training with two gloo ranks; returns when both are there."""
    env = {"FORCE_TORCHRUN": "1", "NPROC_PER_NODE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    plain = llamafactory.command("train", "train.yaml")
    command = Command(plain.argv, plain.runtime, {**plain.env, **env})
    symbols = {"train": str(registry.require("train", "cpu"))}
    run_tag = process_tree.new_run_tag(folder.parent, folder)
    given = child_environment(command, run_tag=run_tag, symbols=symbols)
    log = folder / "logs/train.log"
    child = process.start(resolve_argv(command, symbols), cwd=folder, env=given, log=log)
    wait(lambda: len(ranks(child)) == 2, 120, log)
    return child


def ranks(child: process.Process) -> list[int]:
    found = []
    for member in child.members():
        try:
            words = " ".join(psutil.Process(member.pid).cmdline())
        except psutil.Error:
            continue
        if "launcher.py" in words and "torchrun" not in words and "torch.distributed" not in words:
            found.append(member.pid)
    return found


@pytest.mark.parametrize("how", ["INT", "TERM in a step", "KILL of the agent"])
def test_fault_068_torchruns_ranks_are_gone(folder: Path, how: str) -> None:
    child = torchrun(folder)
    pids = [member.pid for member in child.members()]
    assert len(pids) >= 3, "launcher, agent and two ranks"
    if how == "INT":
        os.killpg(child.pid, signal.SIGINT)
    elif how == "KILL of the agent":
        agents = [pid for pid in pids if pid not in ranks(child)]
        for pid in agents:
            os.kill(pid, signal.SIGKILL)
    else:
        steps = folder / "adapter.partial-0/trainer_log.jsonl"
        wait(lambda: steps.exists() and steps.stat().st_size > 0, 180, child.log)
    child.stop(grace=60)
    assert gone(pids)
    assert process_tree.scan(child.run_tag) == []


def local(server: Running) -> process.Process:
    """Its process, which the local launcher started."""
    assert isinstance(server.process, process.Process)
    return server.process


def start_vllm(folder: Path) -> Running:
    job = job_of("smoke", "cpu", "serve.max_model_len=512")
    wanted = vllm.service(job, name="vllm", folder="export", warm_during="", config="vllm.yaml")
    symbols = {"serve": str(registry.require("serve", "cpu")), "probes": str(PROBES)}
    run_tag = process_tree.new_run_tag(folder.parent, folder)
    return service.start_service(
        wanted, symbols=symbols, cwd=folder, run_tag=run_tag, log=folder / "logs/vllm.log"
    )


def engines_of(running: Running) -> list[int]:
    """The pids of vLLM's engine and its workers, which name themselves so."""
    found = []
    for member in local(running).members():
        try:
            words = " ".join(psutil.Process(member.pid).cmdline())
        except psutil.Error:
            continue
        if "EngineCore" in words or "Worker" in words:
            found.append(member.pid)
    return found


def test_fault_069_a_server_that_is_loading_is_gone_after_a_stop(folder: Path) -> None:
    running = start_vllm(folder)
    wait(lambda: len(local(running).members()) >= 2, 120, running.process.log)
    pids = [member.pid for member in local(running).members()]
    running.stop()
    assert gone(pids)


def test_fault_061_an_api_server_that_is_killed_leaves_no_engine_behind(folder: Path) -> None:
    running = start_vllm(folder)
    running.wait_ready()
    pids = [member.pid for member in local(running).members()]
    engines = engines_of(running)
    assert engines, "they carry their run tag although they renamed themselves"
    os.kill(local(running).pid, signal.SIGKILL)
    wait(lambda: running.process.poll() is not None, 20, running.process.log)
    with pytest.raises(ConchError, match="signal 9, SIGKILL"):
        running.check()
    running.stop()
    assert gone(pids)


def test_fault_062_an_engine_that_is_killed_ends_the_server(folder: Path) -> None:
    running = start_vllm(folder)
    running.wait_ready()
    pids = [member.pid for member in local(running).members()]
    for pid in engines_of(running):
        os.kill(pid, signal.SIGKILL)
    wait(lambda: running.process.poll() is not None, 60, running.process.log)
    # vLLM 0.32 ends with 0 then, as if all were well: an end that nobody asked for is a death all the same.
    with pytest.raises(StageFailed, match="ended with exit code"):
        running.check()
    running.stop()
    assert gone(pids)
