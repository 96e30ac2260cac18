"""Run one probe many times, its engine imported once: `python many.py PROBE JOBS.json` by an engine's Python.

A job is [folder, argument, …]. Each runs in a fork of this process, as if it had been started alone, two at a
time; the first that fails ends all. Importing an engine takes longer than everything that a probe does.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

PROBES = Path(__file__).parents[2] / "orchestrator" / "probes"
IMPORTED = {
    "training_ids": ("llamafactory.data.loader", "llamafactory.hparams", "llamafactory.model"),
    "serving_ids": ("vllm.renderers.online_renderer", "vllm.renderers.hf"),
    "stop_ids": ("vllm.config.model", "vllm.tokenizers"),
}

AT_ONCE = 2


def start(probe: ModuleType, folder: str, arguments: Sequence[str]) -> int:
    """One job, in a child of its own; its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.chdir(folder)
        sys.argv = ["probe", *arguments]
        probe.main()
        code = 0
    finally:
        # The child must not go on with the parent's loop, whatever happened to it.
        if code:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    sys.path.insert(0, str(PROBES))
    module = import_module(sys.argv[1])
    jobs = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    for name in IMPORTED[sys.argv[1]]:
        import_module(name)
    running: dict[int, object] = {}
    while jobs or running:
        while jobs and len(running) < AT_ONCE:
            job = jobs.pop(0)
            running[start(module, job[0], job[1:])] = job
        ended, status = os.wait()
        job = running.pop(ended)
        if status:
            for child in running:
                os.kill(child, signal.SIGTERM)
            sys.exit(f"{job}")
