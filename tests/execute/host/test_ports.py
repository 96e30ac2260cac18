"""Ports that are free, taken, forbidden or none at all."""

from __future__ import annotations

import os
import socket

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.host import ports


def test_a_free_port_can_be_listened_on() -> None:
    port = ports.free_port("127.0.0.1")
    assert ports.free_port("127.0.0.1", port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert ports.port_holder(port).startswith(f"{os.getpid()} (")
    assert ports.port_holder(port) == ""


def test_a_taken_port_names_its_holder_and_a_fix() -> None:
    """Fault 47 and 76."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(MissingError, match=rf"port {port}: .*process {os.getpid()} .*uses it") as caught:
            ports.free_port("127.0.0.1", port)
    assert "--port" in caught.value.problems[0].hint


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("203.0.113.7", 0)], ids=["number", "host"])
def test_what_cannot_be_listened_on(host: str, port: int) -> None:
    with pytest.raises(MissingError, match=f"cannot listen on {host}"):
        ports.free_port(host, port)


def test_who_receives_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        assert ports.listeners("127.0.0.1", port) == {os.getpid()}
        assert ports.listeners("localhost", port) == {os.getpid()}
        assert ports.listeners("0.0.0.0", port) == {os.getpid()}
        assert ports.listeners("127.0.0.2", port) == set()
        assert ports.listeners("no.such.host.invalid", port) == set()
    assert ports.listeners("127.0.0.1", port) == set()
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as held:
        assert ports.listeners("127.0.0.1", held.getsockname()[1]) == {os.getpid()}


def test_what_a_host_is_reached_by() -> None:
    hosts = ("0.0.0.0", "::", "127.0.0.1", "10.0.0.7")
    assert [ports.reachable(host) for host in hosts] == ["127.0.0.1", "127.0.0.1", "127.0.0.1", "10.0.0.7"]


def test_a_free_port_is_none_that_an_outgoing_connection_gets() -> None:
    assert all(ports.free_port("127.0.0.1") in ports.BELOW_EPHEMERAL for _ in range(9))
