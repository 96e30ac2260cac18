"""The faults of planted_faults.py that lie in a server: its model, its numbers, its template."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from orchestrator.execute.processes.child_environment import PROBES

QUIET = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_HOST_IP": "127.0.0.1"}
# A CPU back end takes half of the memory and leaves a core idle unless it is told otherwise.
ON_CPU = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
# Conch's own servers have it: content begins with the answer.
CLEANS = ("--reasoning-parser-plugin", str(PROBES / "engines/answer_parser.py"))
MODEL = "planted"
TOLD = 300
PATIENCE = 600


@dataclass(frozen=True, slots=True)
class LiveFault:
    """A fault in the server.

    Attributes:
        name, proof, words, also, recipe: as of a RunFault.
        model: the folder that is served, seen from the run's.
        words_of_server: further ones for `vllm serve`.
        template: edits of the run's chat template that the server gets.
    """

    name: str
    proof: str
    words: tuple[str, ...]
    also: tuple[str, ...] = ()
    recipe: str = "smoke"
    model: str = "export"
    words_of_server: tuple[str, ...] = ("--dtype", "float32", "--enforce-eager", *CLEANS)
    template: tuple[tuple[str, str], ...] = ()


LIVE_FAULTS = (
    LiveFault("server-of-another-run", "loss", ("they are the base model's",), model="inputs/base"),
    LiveFault(
        "bf16-numerics",
        "loss",
        ("the weights are wrong", "the server's numerics"),
        words_of_server=("--dtype", "bfloat16", *CLEANS),
    ),
    LiveFault(
        "server-with-another-template",
        "parity:served",
        ("a different prompt than was trained",),
        ("loss",),
        template=(("{{- '<｜Assistant｜>' -}}", "{{- '<｜Assistant｜><think>\\n' -}}"),),
    ),
    LiveFault(
        "content-with-blank-lines",
        "parity:served",
        ("begins with a blank line",),
        words_of_server=("--dtype", "float32", "--enforce-eager"),
    ),
    LiveFault(
        "template-loses-cleaned-history",
        "parity:served",
        ("the answer without its blank line",),
        ("loss",),
        template=(
            ("set closing = '\\n</think>\\n\\n'", "set closing = '\\n</think>'"),
            ("content[2:] if content.startswith('\\n\\n') else content", "content"),
        ),
    ),
)


@contextmanager
def server(model: str, jinja: Path, log: Path, words: tuple[str, ...]) -> Iterator[str]:
    """VLLM over a folder, as somebody starts it by hand; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    vllm = registry.require("serve", machine.hardware()) / "bin/vllm"
    argv = [str(vllm), "serve", model, "--served-model-name", MODEL, "--host", "127.0.0.1", "--port", port]
    argv += ["--max-model-len", "512", "--chat-template", str(jinja), "--reasoning-parser", "deepseek_r1"]
    env = {
        **os.environ,
        **QUIET,
        **ON_CPU,
        "PYTHONUTF8": "1",
        "VLLM_CACHE_ROOT": str(log.with_suffix(".cache")),
    }
    with (
        log.open("wb") as out,
        subprocess.Popen([*argv, *words], stdout=out, stderr=out, env=env) as process,
    ):
        try:
            _wait(f"http://127.0.0.1:{port}/v1/models", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own address
                return
        except OSError:
            time.sleep(0.5)
    message = f"the server did not come up: {log.read_text(encoding='utf-8')[-TOLD:]}"
    raise RuntimeError(message)
