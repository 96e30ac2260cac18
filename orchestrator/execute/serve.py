"""Serve an export in the foreground: find it, check its proof, start vLLM, wait, stop everything."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.dialects import vllm
from orchestrator.errors import Interrupted, MissingError, Problem, Refuted
from orchestrator.execute import environments, files, interrupts, process
from orchestrator.execute.fingerprint import fingerprint
from orchestrator.execute.run_plan import PROBES
from orchestrator.execute.service import start_service
from orchestrator.execute.state import RunFolder
from orchestrator.job import Job
from orchestrator.stages.base import EXPORT_PROOF

OPEN_PATHS = "/tokenize, /detokenize, /health, /version, /metrics, /load, /invocations, /pooling"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CONFIG = "serve.yaml"


def serve(
    job: Job,
    *,
    project: Path,
    listen: tuple[str, int],
    key: str | None,
    progress: Callable[[str], None],
) -> None:
    """Serve until a signal comes; returns after Ctrl-C with no process left.

    Raises:
        MissingError: no export, environment or port; a key is missing off loopback.
        Refuted: the export's proof does not hold, or the export was changed since.
        StageFailed: the server died.
    """
    host, port = listen
    if host not in _LOOPBACK:
        _guard_open_host(host, key, progress)
    run = last_export(project, job.recipe.name)
    check_proof(run, accept=job.accept_mismatch)
    place = environments.require("serve", job.hardware)
    service = vllm.service(job, name="serve", folder="export", warm_during="", config=_CONFIG, host=host)
    symbols = {"serve": str(place), "conch": sys.prefix, "probes": str(PROBES), "project": str(project)}
    cookie = process.new_cookie(project, run.path)
    with process.signals(), process.guarded(cookie):
        files.write_durable(run.path / _CONFIG, vllm.vllm_yaml(job))
        progress(f"serving {run.name}/export as {service.model}")
        server = start_service(
            service,
            symbols=symbols,
            cwd=run.path,
            cookie=cookie,
            log=run.path / "logs" / "serve.log",
            key=key,
            host=host,
            port=port,
        )
        try:
            seconds = server.wait_ready(progress)
            progress(f"ready in {seconds:.0f} s: {server.url}  model {service.model}  (Ctrl-C stops it)")
            while True:
                interrupts.check()
                server.check()
                time.sleep(0.2)
        except Interrupted as error:
            if not error.signum == 2:  # noqa: PLR2004  SIGINT: the way in which a server is meant to end
                raise
        finally:
            stopped = server.stop()
            progress(f"stopped {len(stopped)} processes")


def last_export(project: Path, recipe: str) -> RunFolder:
    """The newest run of a recipe whose export is complete and unchanged.

    Raises:
        MissingError: there is none.
    """
    for run in reversed(RunFolder.all(project, recipe)):
        record = run.stage_record("export")
        if record is not None and record.outputs.get("export") == fingerprint(run.path / "export"):
            return run
    raise MissingError(
        Problem(
            f"{recipe} has no finished export",
            where=str(project / "runs" / recipe),
            mend=f"conch sft {recipe}",
        )
    )


def check_proof(run: RunFolder, *, accept: bool) -> None:
    """Refuse an export that was not proven to be asked as it was taught."""
    path = run.path / EXPORT_PROOF / "parity.json"
    again = f"conch sft {run.recipe}"
    if not path.is_file():
        raise MissingError(Problem("the export was never proven", where=str(path), mend=again))
    parity = json.loads(path.read_text(encoding="utf-8"))
    if not parity["holds"] and not accept:
        detail = (parity.get("first_difference") or {}).get("explanation", "")
        what = f"the tokens of training and serving differ: {detail}"
        raise Refuted(Problem(what, where=str(path), mend="--accept-mismatch serves it all the same"))


def _guard_open_host(host: str, key: str | None, progress: Callable[[str], None]) -> None:
    if not key:
        raise MissingError(
            Problem(
                f"{host} is open to the network, and there is no key",
                mend="set CONCH_API_KEY or give --key-file; or listen on 127.0.0.1",
            )
        )
    progress(f"warning: {host} is open to the network; a key does not guard {OPEN_PATHS}")
