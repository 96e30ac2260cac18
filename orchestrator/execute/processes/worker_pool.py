"""Run work in several threads: results as they complete, or in order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from orchestrator.errors import ConchError

Result = TypeVar("Result")
Done = TypeVar("Done")
_TICK = 0.2


def as_done(
    work: Callable[[int], Result],
    count: int,
    *,
    concurrency: int,
    meanwhile: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, Result | ConchError | None]]:
    """Yield (index, result or error of work(index)) in order of completion.

    None means a bug in the work, whose traceback is on standard error. After a ConchError no more work
    starts, so fewer results than `count` may come: stop iterating at the first error. The workers are daemon
    threads, so that Ctrl-C does not wait for them. `meanwhile` is called while no result comes; it may raise.
    """
    done: queue.Queue[tuple[int, Result | ConchError | None]] = queue.Queue()
    todo = _Todo(count)

    def worker() -> None:
        while (index := todo.next_index()) is not None:
            result: Result | ConchError | None = None
            try:
                result = work(index)
            except ConchError as error:
                result = error
                todo.end()
            finally:  # report a bug, too
                done.put((index, result))

    for _ in range(min(concurrency, count)):
        threading.Thread(target=worker, daemon=True).start()
    for _ in range(count):
        yield _next(done, meanwhile)


def in_order(work: Callable[[int], Result], count: int, *, concurrency: int) -> Iterator[Result]:
    """Yield work(0), work(1), … in order, with `concurrency` threads.

    After the first ConchError no more work starts; it is raised after the completed results. A bug in the
    work raises RuntimeError; its traceback is on standard error.
    """
    ready: dict[int, Result] = {}
    next_one = 0
    for index, result in as_done(work, count, concurrency=concurrency):
        if result is None:
            raise RuntimeError(f"work {index} failed; see the traceback above")
        if isinstance(result, ConchError):
            yield from (ready[each] for each in sorted(ready))
            raise result
        ready[index] = result
        while next_one in ready:
            yield ready.pop(next_one)
            next_one += 1


def _next(done: queue.Queue[Done], meanwhile: Callable[[], None]) -> Done:
    while True:
        meanwhile()
        try:
            return done.get(timeout=_TICK)
        except queue.Empty:
            continue


class _Todo:
    """The indices that are not started yet, shared by threads."""

    def __init__(self, count: int) -> None:
        self._left = iter(range(count))
        self._lock = threading.Lock()

    def next_index(self) -> int | None:
        """The next index; None at the end."""
        with self._lock:
            return next(self._left, None)

    def end(self) -> None:
        """Start no more work."""
        with self._lock:
            self._left = iter(range(0))
