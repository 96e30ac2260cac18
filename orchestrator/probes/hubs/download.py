"""List and download a repository with its hub's own library, in a process of its own.

It is a process because huggingface_hub and modelscope read their settings at import, and because a download
must be killable. Imports nothing of Conch but the files beside it, so that the Python of any environment can
run it.

Standard input: one JSON line {"client": path of the hub's client, "repo", "kind": "model" | "dataset",
"revision"}; then, when the caller has chosen the files, lines {"into": folder, "files": [paths]}, each
answered before the next. At the end of standard input the caller is done or gone, and this process ends at
once. Standard output: one JSON line {"event": "listed", "revision", "files": [{"path", "size", "sha256",
"git"}]}, then {"event": "done"} for each order; or {"event": "failed", "kind", "status", "what", "errnos"} at
any time.

A client is a file with a class Client: Client(request), listing() and download(revision, into, files)
(huggingface.py).
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any, NoReturn, Protocol

from failures import explain


class Client(Protocol):
    """A repository on a hub."""

    def listing(self) -> tuple[str, list[dict[str, str | int]]]:
        """The commit behind the revision, and the files there: path, size, and sha256 or git hash."""

    def download(self, revision: str, into: str, files: list[str]) -> None:
        """Download those files at that commit into that folder."""


def send(**event: object) -> None:
    """Send one event to the caller."""
    sys.__stdout__.write(json.dumps(event) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def open_client(request: dict[str, str]) -> Client:
    """The client in the file that the request names."""
    spec = spec_from_file_location("hub_client", request["client"])
    if spec is None or spec.loader is None:
        raise ImportError(f"not a Python file: {request['client']}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    client: Client = module.Client(request)
    return client


def orders() -> Iterator[dict[str, Any]]:
    """The caller's orders, one by one. At the end of standard input this process ends, busy or not."""
    waiting: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(waiting.get())


def run() -> NoReturn:
    """Serve the orders of one request."""
    incoming = orders()
    client = open_client(next(incoming))
    revision, files = client.listing()
    send(event="listed", revision=revision, files=files)
    while True:
        order = next(incoming)
        client.download(revision, order["into"], order["files"])
        send(event="done")


def main() -> NoReturn:
    """The script: every failure becomes an event."""
    sys.stdout = sys.stderr  # the libraries print; events go to the real standard output
    try:
        run()
    except Exception as error:  # noqa: BLE001  every failure is reported to the caller
        send(event="failed", **explain(error))
        os._exit(1)


if __name__ == "__main__":
    main()
