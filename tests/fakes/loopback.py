"""What the fake servers of a test share: a free port of loopback, an end that may come early, no noise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Several requests at a time are many for the five of the standard library.
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what many tests are about."""


@contextmanager
def listening(
    handler: type[BaseHTTPRequestHandler], at_end: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, Callable[[], None]]]:
    """(base URL, what ends it): gone at the end, or once it is called, also by one of its own handlers.

    Args:
        handler: of the requests.
        at_end: called first when it ends, so that no handler waits any more.
    """
    server = _Server(("127.0.0.1", 0), handler)
    once = threading.Lock()

    def stop() -> None:
        if once.acquire(blocking=False):
            at_end()
            server.shutdown()
            server.server_close()

    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", stop
    finally:
        stop()
        thread.join(10)
