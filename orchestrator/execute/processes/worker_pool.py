"""Work on several things at a time: results as they come, or in the order of the things."""

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
    """(index, what work(index) gave or raised) as they come, `concurrency` of them under way.

    None stands for a bug in the work, whose trace is on standard error. After a ConchError nothing more is
    begun, and so fewer may come than were wanted: whoever meets one stops listening. The workers are daemons,
    so that Ctrl-C need not wait for an answer that is on its way.

    Args:
        work: is called from several threads.
        count: of the things.
        concurrency: so many threads.
        meanwhile: is called now and then while nothing comes; may raise.
    """
    done: queue.Queue[tuple[int, Result | ConchError | None]] = queue.Queue()
    todo = _Todo(count)

    def worker() -> None:
        while (index := todo.following()) is not None:
            result: Result | ConchError | None = None
            try:
                result = work(index)
            except ConchError as error:
                result = error
                todo.end()
            finally:  # the one who waits is told of a bug here too
                done.put((index, result))

    for _ in range(min(concurrency, count)):
        threading.Thread(target=worker, daemon=True).start()
    for _ in range(count):
        yield _next(done, meanwhile)


def in_order(work: Callable[[int], Result], count: int, *, concurrency: int) -> Iterator[Result]:
    """work(0), work(1), … in order, `concurrency` of them under way.

    Raises:
        ConchError: what the first work raised. Nothing more is begun; what was done by then was yielded
            before it.
        RuntimeError: a bug in the work; its trace is on standard error.
    """
    ready: dict[int, Result] = {}
    next_one = 0
    for index, result in as_done(work, count, concurrency=concurrency):
        if result is None:
            raise RuntimeError(f"work {index} failed; the trace is above")
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
    """What is not begun yet, for several threads."""

    def __init__(self, count: int) -> None:
        self._left = iter(range(count))
        self._lock = threading.Lock()

    def following(self) -> int | None:
        """The next one; None when there is none."""
        with self._lock:
            return next(self._left, None)

    def end(self) -> None:
        """Let nothing more be begun."""
        with self._lock:
            self._left = iter(range(0))
