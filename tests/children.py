"""What a test left running below this process."""

from __future__ import annotations

import psutil

from tests import forks


def living_children() -> list[psutil.Process]:
    """Every descendant that runs, but for the fork server; one that has ended and was not waited for is none.

    The test session is the subreaper of all that it starts (conftest.py): what an earlier test's server
    orphaned stays in its table as a zombie.
    """
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE and child.pid != forks.server_pid():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
