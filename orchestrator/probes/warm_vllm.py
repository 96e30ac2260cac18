"""A `vllm serve` that has its imports behind it: waits for one line on standard input, then is vLLM.

The line is a JSON list, the words after `vllm` (`["serve", "export", "--port", "8000", …]`). End of file
without a line means that the server is not wanted, and is no error. Runs in the serve environment, in the
run folder.

vLLM runs its engine in a second process, and on a CPU its worker in a third, each of which imports everything
once more. Those are started here too, before they are needed: fresh interpreters as multiprocessing's spawn
would start them, which wait to be told what they are to run. When anything about one does not fit at that
moment, spawn goes its usual way.

A spawned child imports this file again (as __mp_main__): nothing here may happen at import. Warming is an
optimisation and must not be able to fail: what another version of vLLM lacks is passed over.
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

# What each process would import on its way to the first answer.
SERVER = ("vllm.entrypoints.cli.main", "vllm.entrypoints.cli.serve", "vllm.v1.engine.async_llm")
ENGINE = ("vllm.v1.engine.core", "vllm.v1.executor.uniproc_executor", "vllm.v1.executor.multiproc_executor")
CPU_WORKER = (
    "vllm.v1.executor.multiproc_executor",
    "vllm.v1.worker.cpu_worker",
    "vllm.v1.worker.cpu_model_runner",
)
GPU_WORKER = ("vllm.v1.worker.gpu_worker", "vllm.v1.worker.gpu_model_runner")
BASE = "inputs/base/config.json"
# Read once, when a library is loaded: the engine must have been started with the same. (Not LD_LIBRARY_PATH:
# an imported package may add a folder of its own, here as there.)
AT_LOAD = re.compile(r"LD_PRELOAD|OMP_\w+|KMP_\w+|GOMP_\w+|MKL_\w+|CUDA_\w+|MALLOC_\w+|PYTHON\w+")
_KEPT = 200  # descriptors up to this one are kept free for those that multiprocessing hands over by number
_CONTROL = {"engine": 900, "worker": 901}  # far above them
_MOVED = 910


def load(names: tuple[str, ...]) -> None:
    """Import what there is of these."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def architectures() -> list[str]:
    """The base model's, which are the export's too; [] when that is not there yet."""
    try:
        return list(json.loads(Path(BASE).read_text(encoding="utf-8")).get("architectures") or ())
    except (OSError, ValueError):
        return []


def warm_server() -> None:
    """The API server's part."""
    load(SERVER)
    with contextlib.suppress(Exception):
        from vllm.model_executor.models.registry import ModelRegistry

        for name in architectures():
            # In a process of its own, whose answer vLLM keeps in its cache folder: seconds, once.
            ModelRegistry.models[name].inspect_model_cls()


def warm_worker(names: tuple[str, ...]) -> None:
    """The part of the process that runs the model."""
    load((*names, "vllm.model_executor.model_loader"))
    with contextlib.suppress(Exception):
        from vllm.model_executor.models.registry import ModelRegistry

        for name in architectures():
            ModelRegistry.models[name].load_model_cls()


class Early:
    """An interpreter that was started early and waits to become a spawned process."""

    def __init__(self, role: str) -> None:
        self.control, theirs = socket.socketpair()
        self.environment = {**os.environ, **preloads()}
        os.dup2(theirs.fileno(), _CONTROL[role], inheritable=True)
        theirs.close()
        # Not by subprocess: multiprocessing will wait for this process, by its number.
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, str(Path(__file__).absolute()), role],
            self.environment,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
        )
        os.close(_CONTROL[role])

    def become(self, program: str, descriptors: list[int]) -> bool:
        """Have it run a spawned child's program with these descriptors; False when it does not fit."""
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
        """It is not wanted: its standing order is to end when this end closes."""
        self.control.close()


def on_cpu() -> bool:
    """Whether this environment's torch knows no GPU."""
    try:
        return version("torch").endswith("+cpu")
    except ImportError:
        return False


def preloads() -> dict[str, str]:
    """The LD_PRELOAD that vLLM's CPU platform gives its engine, found the way it finds it."""
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
    """The variables that count when a process starts and not after."""
    return {name: value for name, value in environment.items() if AT_LOAD.fullmatch(name)}


def hand_over(early: Early) -> None:
    """Let the first process that multiprocessing spawns be the one that is waiting."""
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

    util.spawnv_passfds = spawn  # type: ignore[assignment]  # narrower; multiprocessing alone calls it


def wait_as(role: str) -> None:
    """The early interpreter: import, wait for the word, become what was spawned."""
    control = socket.socket(fileno=_CONTROL[role])
    control.set_inheritable(False)
    # A spawned child expects its descriptors under the numbers they have in its parent: keep the low ones
    # free of what the imports open.
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
    """Exactly that many bytes; ends this process when the other end is gone."""
    data = b""
    while len(data) < size:
        part = control.recv(size - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data


def main() -> int:
    """Warm up, wait for the word, serve."""
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
