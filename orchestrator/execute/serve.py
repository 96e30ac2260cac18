"""Serve an export in the foreground: find it, check its proof, start vLLM, wait, stop everything."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.dialects import vllm
from orchestrator.errors import Interrupted, MissingError, Problem, Refuted
from orchestrator.execute import environments, files, interrupts, process
from orchestrator.execute.certify import TEMPLATE, read_certificate, refuse_unproven
from orchestrator.execute.prove import finished_run
from orchestrator.execute.run_plan import PROBES
from orchestrator.execute.service import start_service
from orchestrator.execute.state import RunFolder
from orchestrator.job import Job

OPEN_PATHS = "/tokenize, /detokenize, /health, /version, /metrics, /load, /invocations, /pooling"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CONFIG = "serve.yaml"
_OTHER_TEMPLATE = "serve.jinja"


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
    run = finished_run(project, job.recipe.name)
    check_proof(run, accept=job.accept_mismatch, progress=progress)
    template = served_template(job, run, progress)
    place = environments.require("serve", job.hardware)
    service = vllm.service(job, name="serve", folder="export", warm_during="", config=_CONFIG, host=host)
    symbols = {"serve": str(place), "conch": sys.prefix, "probes": str(PROBES), "project": str(project)}
    cookie = process.new_cookie(project, run.path)
    with process.signals(), process.guarded(cookie):
        files.write_durable(run.path / _CONFIG, vllm.vllm_yaml(job, chat_template=template))
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


def check_proof(run: RunFolder, *, accept: bool, progress: Callable[[str], None] = lambda _: None) -> None:
    """Refuse an export that was not proven, or whose files are not those that were.

    Raises:
        MissingError: it was never proven. Refuted: a proof does not hold, or a file was changed.
    """
    certificate = read_certificate(run.path, recipe=run.recipe)
    try:
        refuse_unproven(certificate, run.path, recipe=run.recipe)
    except Refuted as error:
        if not accept:
            mend = Problem("not served", mend="--accept-mismatch serves it all the same")
            raise Refuted(*error.problems, mend) from None
        for problem in error.problems:
            progress(f"accepted: {problem.what}")
    if certificate["not_proven"]:
        progress(f"not proven: {', '.join(certificate['not_proven'])} (conch prove {run.recipe})")


def served_template(job: Job, run: RunFolder, progress: Callable[[str], None]) -> str:
    """The chat template's file in the run folder: the proven one, or another that the user named.

    Raises:
        Refuted: another one was named, and that it is another was not accepted.
    """
    proven = run.path / TEMPLATE
    if job.chat_template in {job.template.text, proven.read_text(encoding="utf-8")}:
        return TEMPLATE
    if not job.accept_mismatch:
        what = "this chat template is not the one that was proven"
        mend = f"conch parity {job.recipe.name} --chat-template FILE says where they part;"
        raise Refuted(Problem(what, mend=f"{mend} --accept-mismatch serves it all the same"))
    files.write_durable(run.path / _OTHER_TEMPLATE, job.chat_template)
    progress("accepted: another chat template than the one that was proven")
    return _OTHER_TEMPLATE


def _guard_open_host(host: str, key: str | None, progress: Callable[[str], None]) -> None:
    if not key:
        raise MissingError(
            Problem(
                f"{host} is open to the network, and there is no key",
                mend="set CONCH_API_KEY or give --key-file; or listen on 127.0.0.1",
            )
        )
    progress(f"warning: {host} is open to the network; a key does not guard {OPEN_PATHS}")
