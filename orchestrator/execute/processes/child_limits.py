"""Limits that a process sets itself: for a child that parses what others made. Linux; standard library only.

A limit that cannot be set does not stop it. no_network.py takes the network.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def die_with(parent: int) -> None:
    """End this process when its parent ends by any means, and now if it has; it gains no rights any more."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit(name: int, value: int) -> None:
    """Set a soft limit of resource.RLIMIT_…, and keep the hard one."""
    with suppress(ValueError, OSError):
        hard = resource.getrlimit(name)[1]
        resource.setrlimit(name, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def limit_processor(seconds: int) -> None:
    """From now on, this process may use so many seconds of processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)
