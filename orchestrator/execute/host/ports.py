"""Ports: a free one, a taken one and who has it, and the address under which a listener is reached."""

from __future__ import annotations

import socket

import psutil

from orchestrator.errors import MissingError, Problem

LOOPBACK = "127.0.0.1"


def reachable(host: str) -> str:
    """The address under which a server that listens on `host` is reached from here."""
    return LOOPBACK if host in {"0.0.0.0", "::", ""} else host  # noqa: S104  compared, not bound


def free_port(host: str, port: int = 0) -> int:
    """That port if it can be listened on, any free one for 0; MissingError naming who has it otherwise.

    Somebody may take it before our server does: whose server answers is told by its one-time name.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise taken(port, f"cannot listen on {host}: {_reason(error)}") from error
        return int(probe.getsockname()[1])


def _reason(error: OSError | OverflowError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "no such port"


def taken(port: int, what: str) -> MissingError:
    """The error of a port that cannot be had; names its holder when that is to be seen."""
    who = port_holder(port)
    by = f"; process {who} has it" if who else ""
    return MissingError(
        Problem(f"port {port}: {what}{by}", hint="choose another with --port, or `conch stop`")
    )


def port_holder(port: int) -> str:
    """`PID (name)` of the process that listens on a port; "" when that is not to be seen."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return ""
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == port and connection.pid:
            try:
                return f"{connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.Error:
                return str(connection.pid)
    return ""
