"""The state of a vLLM 0.32 server: its counters are in /metrics, its samplings in …/render."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx

from orchestrator.execute.servers.engines.base import Counters, Defaults, is_up, models

__all__ = ["counters", "defaults", "is_up", "models"]

_RUNNING = re.compile(r"^vllm:num_requests_running(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
_TOKENS = re.compile(r"^vllm:generation_tokens_total(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def defaults(client: httpx.Client, root: str, request: Mapping[str, object], /) -> Defaults | None:
    """What its own code resolves for a request; it generates nothing."""
    answer = client.post(f"{root}/v1/chat/completions/render", json=dict(request))
    try:
        values = answer.json()["sampling_params"] if answer.is_success else {}
        return {key: float(value) for key, value in values.items() if isinstance(value, int | float)} or None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def counters(client: httpx.Client, /) -> Counters:
    """Requests running and tokens generated, summed over its engines."""
    text = client.get("/metrics").text
    return Counters(_sum(_RUNNING, text), _sum(_TOKENS, text))


def _sum(pattern: re.Pattern[str], text: str) -> float | None:
    values = pattern.findall(text)
    return sum(map(float, values)) if values else None
