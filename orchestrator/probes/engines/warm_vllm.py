"""`vllm serve` with its imports done in advance: waits for one line on standard input, then becomes vLLM.

The line is a JSON list with the arguments of `vllm` (`["serve", "export", "--port", "8000", …]`). End of file
without a line means that the server is not needed, and is not an error. Runs in the serve environment, in
the run folder.

vLLM runs its engine in a second process and, on a CPU, its worker in a third. Each imports everything again,
so these are started in advance too: fresh interpreters, as multiprocessing's spawn would start them, which
wait for the program that they are to run. If one does not fit when it is needed, spawn starts an ordinary
process.

A spawned child imports this file again (as __mp_main__), so nothing may happen at import. Warming up is an
optimisation and must never cause a failure: what another version of vLLM lacks is skipped.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import re
import socket
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

# What each process imports before its first answer.
SERVER = ("vllm.entrypoints.cli.main", "vllm.entrypoints.cli.serve", "vllm.v1.engine.async_llm")
ENGINE = ("vllm.v1.engine.core", "vllm.v1.executor.uniproc_executor", "vllm.v1.executor.multiproc_executor")
CPU_WORKER = (
    "vllm.v1.executor.multiproc_executor",
    "vllm.v1.worker.cpu_worker",
    "vllm.v1.worker.cpu_model_runner",
)
GPU_WORKER = ("vllm.v1.worker.gpu_worker", "vllm.v1.worker.gpu_model_runner")
BASE = "inputs/base/config.json"
# Variables that are read once, when a library is loaded: the engine must have been started with the same.
# LD_LIBRARY_PATH is not one of them: an imported package may add its own folder, in both processes.
AT_LOAD = re.compile(r"LD_PRELOAD|OMP_\w+|KMP_\w+|GOMP_\w+|MKL_\w+|CUDA_\w+|MALLOC_\w+|PYTHON\w+")
_KEPT = 200  # descriptors up to this number are kept free for those that multiprocessing passes by number
_CONTROL = {"engine": 900, "worker": 901}  # far above those
_MOVED = 910


def load(names: tuple[str, ...]) -> None:
    """Import these modules; skip those that fail."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def architectures() -> list[str]:
    """The architectures of the base model, and so of the export; [] if the base is not there yet."""
    try:
        return list(json.loads(Path(BASE).read_text(encoding="utf-8")).get("architectures") or ())
    except (OSError, ValueError):
        return []


def warm_server() -> None:
    """Warm up the API server."""
    load(SERVER)
    with contextlib.suppress(Exception):
        from vllm.model_executor.models.registry import ModelRegistry

        for name in architectures():
            # In a separate process, whose result vLLM keeps in its cache folder: takes seconds, once.
            ModelRegistry.models[name].inspect_model_cls()


def warm_worker(names: tuple[str, ...]) -> None:
    """Warm up the process that runs the model."""
    load((*names, "vllm.model_executor.model_loader"))
    with contextlib.suppress(Exception):
        from vllm.model_executor.models.registry import ModelRegistry

        for name in architectures():
            ModelRegistry.models[name].load_model_cls()


class Early:
    """An interpreter that is started in advance and waits to become a spawned process."""

    def __init__(self, role: str) -> None:
        self.control, theirs = socket.socketpair()
        self.environment = {**os.environ, **preloads()}
        os.dup2(theirs.fileno(), _CONTROL[role], inheritable=True)
        theirs.close()
        # Not with subprocess: multiprocessing waits for this process by its pid.
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, str(Path(__file__).absolute()), role],
            self.environment,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
        )
        os.close(_CONTROL[role])

    def become(self, program: str, descriptors: list[int]) -> bool:
        """Make it run a spawned child's program with these descriptors; False if it does not fit."""
        if at_load(self.environment) != at_load(os.environ):
            return False
        message = {"program": program, "descriptors": descriptors, "environment": dict(os.environ)}
        data = json.dumps(message).encode()
        try:
            self.control.sendall(len(data).to_bytes(8, "big"))
            self.control.sendall(data)
            socket.send_fds(self.control, [b"d"], descriptors)
            return self.control.recv(1) == b"y"
        except OSError:
            return False

    def dismiss(self) -> None:
        """End it, because it is not needed: it exits when this end of the socket closes."""
        self.control.close()


def on_cpu() -> bool:
    """Whether this environment's torch is built for the CPU only."""
    try:
        return version("torch").endswith("+cpu")
    except ImportError:
        return False


def preloads() -> dict[str, str]:
    """The LD_PRELOAD that vLLM's CPU platform sets for its engine, found in the same way."""
    spec = importlib.util.find_spec("torch") if on_cpu() else None
    if not spec or not spec.origin or "LD_PRELOAD" in os.environ:
        return {}
    torch = Path(spec.origin).parent
    found = [
        path
        for folder in (torch.parent / "torch.libs", torch / "lib")
        for path in folder.glob("libgomp*.so*")
    ]
    return {"LD_PRELOAD": str(found[0])} if found else {}


def at_load(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that take effect only when a process starts."""
    return {name: value for name, value in environment.items() if AT_LOAD.fullmatch(name)}


def hand_over(early: Early) -> None:
    """Make the waiting interpreter the first process that multiprocessing spawns."""
    from multiprocessing import util

    ordinary = util.spawnv_passfds
    waiting = [early]

    def spawn(path: bytes, args: list[bytes], descriptors: list[int]) -> int:
        words = [os.fsdecode(word) for word in args]
        if waiting and "--multiprocessing-fork" in words and "-c" in words:
            waiting.clear()
            if early.become(words[words.index("-c") + 1], sorted(set(descriptors))):
                return early.pid
            early.dismiss()
        return ordinary(path, args, descriptors)

    util.spawnv_passfds = spawn  # type: ignore[assignment]  # narrower; only multiprocessing calls it


def wait_as(role: str) -> None:
    """Run as the early interpreter: import, wait for the message, become the spawned process."""
    control = socket.socket(fileno=_CONTROL[role])
    control.set_inheritable(False)
    # A spawned child expects its descriptors under the numbers that they have in its parent: keep the low
    # numbers free of files that the imports open.
    kept: list[int] = []
    while not kept or kept[-1] < _KEPT:
        kept.append(os.open(os.devnull, os.O_RDONLY))
    worker = None
    if role == "worker":
        warm_worker(CPU_WORKER)
    elif on_cpu():
        with contextlib.suppress(OSError):
            worker = Early("worker")
        load(ENGINE)
    else:
        load(ENGINE)
        warm_worker(GPU_WORKER)
    size = int.from_bytes(receive(control, 8), "big")
    message = json.loads(receive(control, size))
    wanted = message["descriptors"]
    _, got, _, _ = socket.recv_fds(control, 1, len(wanted))
    moved = [os.dup2(handle, _MOVED + at, inheritable=False) for at, handle in enumerate(got)]
    for handle in (*got, *kept):
        os.close(handle)
    if any(Path(f"/proc/self/fd/{number}").exists() for number in wanted):
        control.sendall(b"n")
        return
    for number, handle in zip(wanted, moved, strict=True):
        os.dup2(handle, number, inheritable=True)
        os.close(handle)
    os.environ.clear()
    os.environ.update(message["environment"])
    control.sendall(b"y")
    control.close()
    if worker:
        hand_over(worker)
    from multiprocessing.spawn import spawn_main

    sys.argv = ["-c", "--multiprocessing-fork"]
    spawn_main(**{name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", message["program"])})


def receive(control: socket.socket, size: int) -> bytes:
    """Receive exactly `size` bytes; end this process if the other end is closed."""
    data = b""
    while len(data) < size:
        part = control.recv(size - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data


def main() -> int:
    """Warm up, wait for the arguments, serve."""
    engine = None
    with contextlib.suppress(OSError):
        engine = Early("engine")
    warm_server()
    line = sys.stdin.readline()
    if not line.strip():
        return 0
    sys.argv = ["vllm", *json.loads(line)]
    if engine:
        hand_over(engine)
    from vllm.entrypoints.cli.main import main as vllm_main

    vllm_main()
    return 0


if __name__ == "__main__":
    if sys.argv[1:] in (["engine"], ["worker"]):
        wait_as(sys.argv[1])
    else:
        sys.exit(main())
