"""Which commands of a plan run without any network but loopback, and which keep it."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.plan.stage import Command, Runtime, Stage

# What keeps the network → why, and what is done there. What trains, exports and compares tokens is not in it:
# it needs nothing but its files. The first two are no Command of a stage.
EXEMPT: Mapping[str, str] = {
    "downloads": "hub clients and uv ask the hub and the package index; files are checked against hashes",
    "servers": "clients must reach them: they listen on loopback by default, with the hubs' clients offline",
    "tasks": "Conch's own tasks download base models, and ask the server and the judge",
    "benchmark tools": "evalscope and lm-eval download their questions, and ask the server",
    "several nodes": "ranks on several nodes talk to each other",
}


def exemption(command: Command) -> str:
    """Which line of EXEMPT a command falls under; "" if it runs without network."""
    if command.runtime is Runtime.CONCH:
        return "benchmark tools" if command.argv[0].startswith("{bench}") else "tasks"
    return "several nodes" if command.env.get("NNODES", "1") != "1" else ""


def offline_commands(stage: Stage) -> tuple[Command, ...]:
    """The commands of a stage that run without network."""
    return tuple(command for command in stage.commands if not exemption(command))
