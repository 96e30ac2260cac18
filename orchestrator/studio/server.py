"""Run the application: one studio a project, on loopback unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import uvicorn

from orchestrator.errors import BusyError, Problem
from orchestrator.execute.host.file_lock import exclusive
from orchestrator.execute.host.ports import free_port
from orchestrator.execute.inference.transport import is_loopback
from orchestrator.execute.run_store.run_paths import make_private
from orchestrator.studio.app import build
from orchestrator.studio.context import Settings
from orchestrator.studio.store import HOME

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# Seconds that answers which are on their way have when the server is asked to end.
_GRACE = 10


def run(project: Path, settings: Settings, *, host: str, port: int, progress: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM. Jobs that run go on; models are unloaded.

    Raises:
        BusyError: another studio works for this project. MissingError: the port is taken.
    """
    shown = f"[{host}]" if ":" in host else host
    if is_loopback(f"http://{shown}"):
        settings = replace(settings, hosts=(*_LOOPBACK, *settings.hosts))
    else:
        settings = replace(settings, key_required=True)
    lock = make_private(project, HOME) / ".lock"
    busy = BusyError(Problem("another studio serves this project", str(project), "stop it first"))
    with exclusive(lock, lambda: busy):
        free_port(host, port)
        progress(f"conch studio: http://{shown}:{port}/v1  (Ctrl-C stops it; /docs lists what it does)")
        if settings.key_required:
            progress("warning: open to the network, over plain HTTP: put a proxy that speaks TLS in front")
        config = uvicorn.Config(
            build(project, settings),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
        )
        uvicorn.Server(config).run()
