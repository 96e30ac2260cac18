"""Runs a command without any network but loopback: `python -I -S no_network.py WAY PROGRAM WORD…`.

It leaves the network, proves that by attempts that must fail, and becomes the command: same process, session,
environment and user. Without a program it prints how it left, as JSON. If it cannot leave, or an attempt gets
out, it ends with REFUSED and starts nothing. Linux; standard library only. confinement.py finds out
which way the kernel allows, launchers/network.py says which commands go through it. The ways, best first:

network namespace    for root: nothing else changes.
user namespace       for everybody else: a network namespace in a user namespace that maps the user's own ids.
seccomp              where namespaces are forbidden (in most containers): only Unix and netlink sockets can be
                     made, so loopback is gone as well.

Landlock is none of them: its rules know ports of TCP, neither addresses nor UDP, so DNS would get out.

This keeps programs from phoning home. It does not hold an attacker who has the user's rights: he can still
trace the user's other processes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterable

REFUSED = 71
WAYS = ROOT, USER, FILTER = "network namespace", "user namespace", "seccomp"
_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_GETFLAGS, _SETFLAGS, _UP = 0x8913, 0x8914, 1
_NO_NEW_PRIVILEGES, _SECCOMP, _MODE_FILTER = 38, 22, 2
# Machine → its name for audits, and the number of its system call `socket`.
_CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_IO_URING_SETUP, _X32 = 425, 0x40000000
_UNIX, _NETLINK = 1, 16
# Addresses that are reserved for documentation (RFC 5737, RFC 3849): if a packet gets out, it reaches nobody.
_DNS_QUERY = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01"
_ATTEMPTS = (
    ("TCP 192.0.2.1:443", socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 443)),
    ("TCP [2001:db8::1]:443", socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 443)),
    ("DNS 192.0.2.53:53", socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.53", 53)),
)


def leave(ways: Iterable[str] = WAYS) -> str:
    """Leave the network by the first of these ways that works; that way. Raises OSError if none does.

    A user namespace that works by half (AppArmor forbids the maps) leaves this process without its ids.
    """
    libc, last = ctypes.CDLL(None, use_errno=True), OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    for way in ways:
        try:
            if way == FILTER:
                _forbid_sockets(libc)
            else:
                _enter_namespace(libc, own_user=way == USER)
        except OSError as error:
            last = error
        else:
            return way
    raise last


def _enter_namespace(libc: ctypes.CDLL, *, own_user: bool) -> None:
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_NEWNET | _NEWUSER * own_user):
        raise _failed()
    maps = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
    for name, text in maps.items() if own_user else ():  # the groups stay; they cannot be changed
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(text)
    with socket.socket() as control:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(control, _GETFLAGS, request), 16)
        fcntl.ioctl(control, _SETFLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def _failed() -> OSError:
    return OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _forbid_sockets(libc: ctypes.CDLL) -> None:
    """A seccomp filter for this process and all that it starts."""
    if os.uname().machine not in _CALLS:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    audit, make_socket = _CALLS[os.uname().machine]
    load, equal, above, answer = 0x20, 0x15, 0x35, 0x06  # of BPF: LD_W_ABS, JMP_JEQ_K, JMP_JGE_K, RET_K
    allow, deny, unknown = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x00050000 | errno.ENOSYS
    program = (  # (operation, lines to skip if true, lines to skip if false, number), see seccomp(2)
        (load, 0, 0, 4),
        (equal, 0, 8, audit),  # another architecture's calls have other numbers
        (load, 0, 0, 0),
        (above, 6, 0, _X32),
        (equal, 6, 0, _IO_URING_SETUP),  # it makes sockets, too
        (equal, 0, 3, make_socket),
        (load, 0, 0, 16),
        (equal, 1, 0, _UNIX),
        (equal, 0, 1, _NETLINK),
        (answer, 0, 0, allow),
        (answer, 0, 0, deny),
        (answer, 0, 0, unknown),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _MODE_FILTER, header, 0, 0):
        raise _failed()


def attempts() -> dict[str, str]:
    """Try to reach addresses that are not loopback; attempt → why it failed, "" if it got out."""
    found = {}
    for name, family, kind, address in _ATTEMPTS:
        try:
            with socket.socket(family, kind) as tried:
                tried.setblocking(False)
                if kind == socket.SOCK_STREAM:
                    tried.connect(address)
                else:
                    tried.sendto(_DNS_QUERY, address)
            found[name] = ""
        except OSError as error:  # a connection in progress has left this machine
            found[name] = "" if error.errno == errno.EINPROGRESS else error.strerror or str(error)
    return found


def _report(code: int, what: str, where: str = "") -> int:
    """Say it as probes do: as text in the log, as JSON for the loop."""
    sys.stderr.write(f"{what} {where}\n")
    if path := os.environ.get("CONCH_PROBLEMS"):
        hint = "" if where and os.path.exists(where) else "conch doctor"  # noqa: PTH110
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump([{"what": what, "where": where, "hint": hint}], file)
    return code


def main(way: str, argv: list[str]) -> int:
    """Leave, prove, and become the command; returns only without one, or when it cannot."""
    for one in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, which a command would inherit
        signal.signal(one, signal.SIG_DFL)
    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123  in a C locale, Python adds LC_CTYPE
        given = dict(one.split(b"=", 1) for one in file.read().split(b"\0") if b"=" in one)
    before = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116
    try:
        leave([way])
    except OSError as error:
        return _report(REFUSED, f"cannot leave the network: {error.strerror}")
    tried = attempts()
    # On a machine without a network they fail anyway: the namespace must be another one.
    if not all(tried.values()) or (way != FILTER and os.stat("/proc/self/ns/net").st_ino == before):  # noqa: PTH116
        return _report(REFUSED, f"cannot leave the network by {way}: {', '.join(tried)} got out")
    if not argv:
        sys.stdout.write(json.dumps(tried) + "\n")
        return 0
    sys.stderr.write(f"without network ({way}): {len(tried)} attempts to get out failed\n")
    sys.stderr.flush()
    try:
        os.execvpe(argv[0], argv, given)  # noqa: S606
    except OSError as error:
        return _report(3, f"cannot start: {error.strerror}", argv[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
