"""The process that `--detach` starts: it runs a verb without a terminal and writes to a log.

It holds the same locks, stops the same process trees and leaves the same records as the verb in a terminal.

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
from typing import NotRequired, TypedDict

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.errors import ConchError, Problem, StageFailed, exit_code_of
from orchestrator.execute.host.tell import tell
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


class Request(TypedDict):
    """request.json: the verb and its options."""

    verb: str
    recipe: str
    sets: list[str]
    hardware: str
    accept_mismatch: bool
    stages: NotRequired[list[str]]
    chat_template: NotRequired[str | None]
    key_file: NotRequired[str | None]
    listen: NotRequired[tuple[str, int]]


class Written:
    """A Progress that writes to a log: every line that stays, and one for each tenth of a training."""

    def __init__(self) -> None:
        self._tenth = -1

    def say(self, text: str) -> None:
        """Write a line."""
        tell(text)

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
    """Reports once, to the process that started this one, whether the start succeeded."""

    def __init__(self, pipe: Path) -> None:
        self._pipe: Path | None = pipe

    def ready(self, facts: Mapping[str, object]) -> None:
        """Report success."""
        self._send({"ready": dict(facts)})

    def begun(self, run: Run) -> None:
        """Report the run; from here on, all output goes to its log."""
        log = write_to(run)
        self.ready({"run": run.name, "folder": str(run.path), "log": log})

    def failed(self, error: ConchError) -> None:
        """Report failure; does nothing after a reported success."""
        self._send({"failed": exit_code_of(error), "problems": [asdict(one) for one in error.problems]})

    def _send(self, value: Mapping[str, object]) -> None:
        if self._pipe is None:
            return
        try:
            descriptor = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # no process waits for it any more
            self._pipe = None
            return
        os.write(descriptor, json.dumps(value).encode() + b"\n")
        os.close(descriptor)
        self._pipe = None


def main(folder: Path) -> int:
    """Run the request in a folder; return the verb's exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    (folder / "request.json").unlink()
    pipe = StartupPipe(folder / "outcome")
    try:
        return _VERBS[request["verb"]](request, Path.cwd(), pipe)
    except ConchError as error:
        pipe.failed(error)
        tell(str(error))
        return exit_code_of(error)
    except BaseException as error:
        pipe.failed(StageFailed(Problem(f"a bug in Conch: {type(error).__name__}: {error}")))
        raise


def _run(request: Request, project: Path, pipe: StartupPipe) -> int:
    job = _job(request, project)
    plan = build_plan(job, request["stages"])
    _, runs = run_recipe(plan, job, project=project, progress=Written(), begun=pipe.begun)
    return max((run.exit_code for run in runs), default=0)


def _until(request: Request, project: Path, pipe: StartupPipe) -> int:
    sets, hardware = request["sets"], request["hardware"]
    sweep = SweepRequest(request["recipe"], project, sets, hardware, request["accept_mismatch"])
    found = run_until_target(sweep, progress=Written(), begun=pipe.begun)
    return found.report.exit_code


def _serve(request: Request, project: Path, pipe: StartupPipe) -> int:
    job = _job(request, project)
    key_file = Path(request["key_file"]) if request["key_file"] else None

    def ready(serving: Serving) -> None:
        pipe.ready(asdict(serving))

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


def _job(request: Request, project: Path) -> Job:
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
    """Append all further output of this process to the run's log; return its path."""
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
