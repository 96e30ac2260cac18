"""Work side by side: order, the first error, and what was done before it."""

from __future__ import annotations

import threading

import pytest

from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.processes.worker_pool import in_order


def test_results_come_in_the_order_of_the_things() -> None:
    second_done = threading.Event()

    def work(at: int) -> int:
        if at == 0:
            assert second_done.wait(10)
        elif at == 1:
            second_done.set()
        return at * 10

    assert list(in_order(work, 5, concurrency=2)) == [0, 10, 20, 30, 40]


def test_an_error_ends_it_behind_what_was_done() -> None:
    begun = []

    def work(at: int) -> int:
        begun.append(at)
        if at == 2:
            raise StageFailed(Problem("the server died"))
        return at

    found = in_order(work, 100, concurrency=1)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(StageFailed, match="the server died"):
        next(found)
    assert begun == [0, 1, 2]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_does_not_hang_it() -> None:
    def work(at: int) -> int:
        return 1 // at

    with pytest.raises(RuntimeError, match="work 0 failed"):
        list(in_order(work, 1, concurrency=1))


def test_nothing_is_to_be_done() -> None:
    assert list(in_order(lambda at: at, 0, concurrency=4)) == []
