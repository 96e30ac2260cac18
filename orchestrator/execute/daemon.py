"""The supervisor: what `--detach` starts. It does a verb's work without a terminal, and speaks to a log.

It holds the same locks, stops the same trees and leaves the same records as the verb in a terminal.

    python -m orchestrator.execute.daemon FOLDER     request.json in, one line into the pipe `outcome`
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.errors import ConchError, Problem, StageFailed, exit_code_of
from orchestrator.execute.inference.api_key import read_key
from orchestrator.execute.project import discovery
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.server_record import Serving
from orchestrator.execute.runner.run_plan import run_recipe
from orchestrator.execute.runner.sweep import run_until_target
from orchestrator.execute.runner.trial import SweepRequest
from orchestrator.execute.serving.serve import serve
from orchestrator.plan.job import Job
from orchestrator.plan.plan import build_plan
from orchestrator.plan.titles import title_of
from orchestrator.results import StageResult

LOG = "logs/supervisor.log"


class Written:
    """A Progress that writes to a log: every line that stays, and one for each tenth of a training."""

    def __init__(self) -> None:
        self._tenth = -1

    def say(self, text: str) -> None:
        """Write a line."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def start(self, number: int, total: int, stage: str, reason: str) -> None:
        """A stage begins."""
        self._tenth = -1
        self.say(f"[{number}/{total}] {title_of(stage)} ({reason})")

    def now(self, text: str) -> None:
        """Ignored: the stage's own log has it."""

    def step(self, step: TrainStep) -> None:
        """Write a line for each tenth of the steps."""
        tenth = 10 * step.step // step.total if step.total else 0
        if tenth > self._tenth:
            self._tenth = tenth
            share = f"step {step.step}/{step.total}"
            self.say(f"      training · {share} · loss {step.loss} · {step.remaining} left")

    def end(self, run: StageResult) -> None:
        """A stage ended."""
        self.say(f"  {title_of(run.stage)}: {run.status} in {run.seconds:.1f} s  {run.reason}".rstrip())


class StartupPipe:
    """Tells whoever started this, once, what came of the start."""

    def __init__(self, pipe: Path) -> None:
        self._pipe: Path | None = pipe

    def ready(self, told: Mapping[str, Any]) -> None:
        """It works."""
        self._tell({"ready": dict(told)})

    def begun(self, run: Run) -> None:
        """It works on this run, into whose log all that is said goes from here on."""
        log = write_to(run)
        self.ready({"run": run.name, "folder": str(run.path), "log": log})

    def failed(self, error: ConchError) -> None:
        """It does not; nothing is said when it had got to work before."""
        self._tell({"failed": exit_code_of(error), "problems": [asdict(one) for one in error.problems]})

    def _tell(self, value: Mapping[str, Any]) -> None:
        if self._pipe is None:
            return
        try:
            descriptor = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody waits any more
            self._pipe = None
            return
        os.write(descriptor, json.dumps(value).encode() + b"\n")
        os.close(descriptor)
        self._pipe = None


def main(folder: Path) -> int:
    """Do what the request in a folder asks for; the exit code of the verb."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    (folder / "request.json").unlink()
    teller = StartupPipe(folder / "outcome")
    try:
        return _VERBS[request["verb"]](request, Path.cwd(), teller)
    except ConchError as error:
        teller.failed(error)
        sys.stderr.write(f"{error}\n")
        return exit_code_of(error)
    except BaseException as error:
        teller.failed(StageFailed(Problem(f"a bug in Conch: {type(error).__name__}: {error}")))
        raise


def _run(request: Mapping[str, Any], project: Path, teller: StartupPipe) -> int:
    job = _job(request, project)
    plan = build_plan(job, request["stages"])
    _, runs = run_recipe(plan, job, project=project, progress=Written(), begun=teller.begun)
    return max((run.exit_code for run in runs), default=0)


def _until(request: Mapping[str, Any], project: Path, teller: StartupPipe) -> int:
    given = {key: request[key] for key in ("recipe", "sets", "hardware", "accept_mismatch")}
    found = run_until_target(SweepRequest(project=project, **given), progress=Written(), begun=teller.begun)
    return found.report.exit_code


def _serve(request: Mapping[str, Any], project: Path, teller: StartupPipe) -> int:
    job = _job(request, project)
    key_file = Path(request["key_file"]) if request["key_file"] else None

    def ready(serving: Serving) -> None:
        teller.ready(asdict(serving))

    host, port = request["listen"]
    serve(
        job,
        project=project,
        listen=(host, port),
        key=read_key(key_file),
        progress=Written().say,
        on_ready=ready,
        on_begin=write_to,
        detached=True,
    )
    return 0


_VERBS = {"run": _run, "sft": _run, "until": _until, "serve": _serve}


def _job(request: Mapping[str, Any], project: Path) -> Job:
    chat_template = request.get("chat_template")
    return discovery.read_job(
        request["recipe"],
        project=project,
        sets=request["sets"],
        hardware=request["hardware"],
        chat_template=Path(chat_template) if chat_template else None,
        accept_mismatch=request["accept_mismatch"],
    )


def write_to(run: Run) -> str:
    """Have everything that this process says from here on appended to the run's own log; returns its path."""
    log = run.path / LOG
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    sys.stdout.flush()
    sys.stderr.flush()
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    return str(log)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
