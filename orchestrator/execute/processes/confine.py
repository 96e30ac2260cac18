"""Confine this process: for a child that parses what others made. Linux; standard library only.

A limit that cannot be set does not stop the child; `without_network` says what it achieved.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from contextlib import suppress

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
# The numbers are the same on every architecture. TCP only: landlock(7), since Linux 6.7.
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT, _LANDLOCK_TCP = 444, 446, 0b11


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """End this process when its parent ends by any means, and now if it has ended."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def without_network() -> str:
    """Give up the network, and the right to gain any. Returns "namespace", "landlock", or "" for neither."""
    libc = _libc()
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Root needs no user namespace, which a container may forbid.
    if any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET)):
        return "namespace"
    rules = ctypes.create_string_buffer(struct.pack("QQ", 0, _LANDLOCK_TCP))
    handle = libc.syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(16), 0)
    if handle < 0:
        return ""
    refused = libc.syscall(_LANDLOCK_RESTRICT, handle, 0)
    os.close(handle)
    return "" if refused else "landlock"


def limit(name: int, value: int) -> None:
    """Set a soft limit of resource.RLIMIT_…, and keep the hard one."""
    with suppress(ValueError, OSError):
        hard = resource.getrlimit(name)[1]
        resource.setrlimit(name, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def limit_processor(seconds: int) -> None:
    """From now on, this process may use so many seconds of processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)
