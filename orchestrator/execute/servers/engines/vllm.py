"""The state of a vLLM 0.32 server: its counters are in /metrics."""

from __future__ import annotations

import re

import httpx

from orchestrator.execute.servers.engines.base import Counters, is_up, models

__all__ = ["counters", "is_up", "models"]

_RUNNING = re.compile(r"^vllm:num_requests_running(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
_TOKENS = re.compile(r"^vllm:generation_tokens_total(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def counters(client: httpx.Client, /) -> Counters:
    """Requests running and tokens generated, summed over its engines."""
    text = client.get("/metrics").text
    return Counters(_sum(_RUNNING, text), _sum(_TOKENS, text))


def _sum(pattern: re.Pattern[str], text: str) -> float | None:
    values = pattern.findall(text)
    return sum(map(float, values)) if values else None
