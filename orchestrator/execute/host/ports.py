"""Ports: find a free one, name the process that uses one, and the address of a listener."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

import psutil

from orchestrator.errors import MissingError, Problem

LOOPBACK = "127.0.0.1"


def reachable(host: str) -> str:
    """The address at which this machine reaches a server that listens on `host`."""
    return LOOPBACK if host in {"0.0.0.0", "::", ""} else host  # noqa: S104  compared, not bound


# Linux gives outgoing connections 32768 and up (net.ipv4.ip_local_port_range).
BELOW_EPHEMERAL = range(20000, 32768)


def free_port(host: str, port: int = 0) -> int:
    """That port if it is free, or any free one for 0; otherwise MissingError with the process that uses it.

    Another process may take it before the server does: `listeners` shows whose server answers. So that no
    outgoing connection does, any free one lies below the ports that the kernel gives to these.
    """
    if not port:
        for tried in random.sample(BELOW_EPHEMERAL, 4):
            with suppress(MissingError):
                return free_port(host, tried)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", "no such port") or str(error)
            raise taken(port, f"cannot listen on {host}: {reason}") from error
        return int(probe.getsockname()[1])


def taken(port: int, what: str) -> MissingError:
    """The error of a port that is not free, with the process that uses it if that is visible."""
    who = port_holder(port)
    by = f"; process {who} uses it" if who else ""
    hint = "choose another with --port, or `conch stop`"
    return MissingError(Problem(f"port {port}: {what}{by}", hint=hint))


def port_holder(port: int) -> str:
    """`PID (name)` of the process that listens on a port; "" if it is not visible."""
    for _, pid in _listening(port):
        if pid:
            try:
                return f"{pid} ({psutil.Process(pid).name()})"
            except psutil.Error:
                return str(pid)
    return ""


def listeners(host: str, port: int) -> set[int | None]:
    """The pids that can receive a connection to a port; None stands for a process of another user.

    Several can: engines share a port between their processes (SO_REUSEPORT), and so can a stranger.
    """
    try:
        found = {one[4][0] for one in socket.getaddrinfo(reachable(host), None, type=socket.SOCK_STREAM)}
    except OSError:
        found = {host}
    addresses = {"0.0.0.0", "::", *found, *(f"::ffff:{one}" for one in found)}  # noqa: S104  compared, not bound
    return {pid for address, pid in _listening(port) if address in addresses}


def _listening(port: int) -> list[tuple[str, int | None]]:
    """(address, pid) of everything that listens on a port."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return []
    return [
        (one.laddr.ip, one.pid)
        for one in connections
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
    ]
