"""What a thousand runs cost to list, and whether a hundred starts and stops of a server leave anything.

    .venv/bin/python -m benchmarks.state [--runs 1000] [--cycles 100]

    conch runs ls   with --runs runs at most 5 × the time with 10, as whole processes, the fastest of several
    start, stop     --cycles of them, of the tests' stand-in for vLLM, by the code that `conch serve` uses:
                    no process lives on, no port listens, no descriptor stays open

Exits 1 when the ratio is over its limit or something is left.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from orchestrator.execute.host.ports import free_port
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.servers.service import start_service
from orchestrator.plan.stage import Command, Runtime, Service
from orchestrator.results import StageResult, Status

LIMIT, FEW, TIMES = 5.0, 10, 7
CONCH = str(Path(sys.executable).with_name("conch"))
FAKES = Path(__file__).parents[1] / "tests" / "fakes"
STAGES = ("fetch", "prepare", "prove_data", "train", "hashes", "export", "prove_export", "certify")


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--cycles", type=int, default=100)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="conch-state-") as scratch:
        missed = [*listing(Path(scratch), given.runs), *cycles(Path(scratch), given.cycles)]
    for what in missed:
        print(f"MISSED: {what}")
    return int(bool(missed))


def listing(scratch: Path, many: int) -> list[str]:
    """The ratio of the two listings."""
    few = project(scratch / "few", FEW)
    all_ = project(scratch / "many", many)
    pairs = [(seconds(few), seconds(all_)) for _ in range(TIMES)]
    quick, slow = min(one[0] for one in pairs), min(one[1] for one in pairs)
    told = f"{FEW} runs {quick * 1000:.0f} ms   {many} runs {slow * 1000:.0f} ms"
    print(f"conch runs ls  {told}   ratio {slow / quick:.2f}")
    return [f"runs ls: {slow / quick:.2f} × (at most {LIMIT:g})"] if slow > LIMIT * quick else []


def project(folder: Path, runs: int) -> Path:
    """A project with so many finished runs of eight stages."""
    (folder / "recipes").mkdir(parents=True)
    for _ in range(runs):
        run = Run.create(folder, "small")
        run.begin("small: training ./base on cpu (fp32)", identity="sha256:" + "0" * 64)
        for stage in STAGES:
            outputs = {f"{stage}/{number}": "sha256:" + "1" * 64 for number in range(4)}
            run.append_event({"event": "stage_begun", "stage": stage, "key": "k"})
            ended = StageResult(stage, Status.DONE, seconds=1.0, log=f"logs/{stage}.log", outputs=outputs)
            run.append_event({"event": "stage_ended", "key": "k", **fields(ended)})
        run.end(0)
    return folder


def fields(run: StageResult) -> dict[str, object]:
    """A Run as an event holds it."""
    return {name: getattr(run, name) for name in StageResult.__dataclass_fields__}


def seconds(folder: Path) -> float:
    """Wall time of one listing, as a whole process."""
    began = time.perf_counter()
    subprocess.run([CONCH, "runs", "ls", "--json"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def cycles(scratch: Path, times: int) -> list[str]:
    """Start and stop a server so many times; what is left afterwards."""
    folder = scratch / "run"
    (folder / "export").mkdir(parents=True)
    run_tag = process_tree.new_run_tag(scratch, folder)
    words = ("serve", "export", "--port", "{port}", "--served-model-name", "m")
    command = Command((sys.executable, str(FAKES / "vllm"), *words), runtime=Runtime.SERVE)
    service = Service(name="vllm", command=command, model="m")
    ports, before, began = [], 0, time.perf_counter()
    for number in range(times):
        server = start_service(service, symbols={}, cwd=folder, run_tag=run_tag, log=folder / "logs/vllm.log")
        server.wait_ready()
        ports.append(server.port)
        server.stop()
        if not number:
            before = psutil.Process().num_fds()
    after = psutil.Process().num_fds()
    alive = process_tree.scan(run_tag)
    held = [port for port in set(ports) if not free(port)]
    took = time.perf_counter() - began
    print(
        f"start, stop    {times} times in {took:.0f} s: {len(alive)} processes left, {len(held)} ports held, "
        f"descriptors {before} → {after}"
    )
    missed = [f"{len(alive)} processes live on"] if alive else []
    missed += [f"{len(held)} ports are held"] if held else []
    return missed + ([f"descriptors grew from {before} to {after}"] if after > before else [])


def free(port: int) -> bool:
    """Whether a port can be listened on."""
    return free_port("127.0.0.1", port) == port


if __name__ == "__main__":
    os.environ.pop("CONCH_FAULT", None)
    raise SystemExit(main())
