"""How Conch reads the state of a running server, one module per engine that differs, in SERVERS.

Not here: how a server is started and configured (backends/). Only servers/ and its tests import it.
"""

from orchestrator.execute.servers.engines import base, vllm
from orchestrator.execute.servers.engines.base import Counters, ServerApi

__all__ = ["SERVERS", "Counters", "ServerApi", "server_api"]

SERVERS: dict[str, ServerApi] = {"vllm": vllm}


def server_api(engine: str) -> ServerApi:
    """How to read a server of an engine: as any OpenAI-compatible server, if SERVERS does not name it."""
    return SERVERS.get(engine, base)
