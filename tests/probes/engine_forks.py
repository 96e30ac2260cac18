"""Run probes in forks of a process that has an engine imported: `python engine_forks.py MODULE…`.

Importing an engine takes longer than everything that a probe does. A line of standard input is a job:

    {"argv": [PROBE.py, argument, …], "folder", "environment", "out", "err", "code"}

Each runs at once in a fork, as if started alone: with its own folder, environment, output files and cache of
data sets. Its exit code appears in the file `code`. Ends at the end of standard input.
"""

import importlib
import json
import os
import runpy
import signal
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any


def run(job: dict[str, Any]) -> int:
    """The probe, in this process; its exit code."""
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.argv = job["argv"]
    sys.path[0] = str(Path(job["argv"][0]).parent)
    if "datasets" in sys.modules:
        # Read when datasets was imported.
        vars(sys.modules["datasets.config"])["HF_DATASETS_CACHE"] = Path(job["code"]).parent / "datasets"
    try:
        runpy.run_path(job["argv"][0], run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  as an interpreter of its own would
        traceback.print_exc()
        return 1
    return 0


def supervise(job: dict[str, Any]) -> None:
    """Fork the job, wait for it, and write its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if not child:
        code = 1
        try:
            code = run(job)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    half = Path(job["code"] + ".half")
    half.write_text(str(code))
    half.rename(job["code"])


def main() -> None:
    """Import, then fork for each line."""
    sys.path[0] = ""
    # As the probes do: it only prepares torch's compiler.
    sys.modules.setdefault("vllm.env_override", ModuleType("vllm.env_override"))
    for name in sys.argv[1:]:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if not os.fork():
            try:
                supervise(json.loads(line))
            finally:
                os._exit(0)
    os._exit(0)  # an engine's own clean-up may take long


if __name__ == "__main__":
    main()
