"""The task `prove_sampling`: what the running server does with a request that names no value."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import httpx

from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.inference.api_key import ServiceAddress
from orchestrator.execute.inference.request_errors import request_error
from orchestrator.execute.inference.transport import http_client
from orchestrator.execute.models.model_folder import read_sampling
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.execute.servers.engines import Defaults, server_api
from orchestrator.plan.stages.prove_served import ProveSamplingSettings
from orchestrator.proofs.sampling import OWN, prove
from orchestrator.recipe.sampling import ServedSampling

TIMEOUT = 60.0


def prove_sampling(settings: ProveSamplingSettings, folder: Path) -> int:
    """Ask the server, write the proof; 5 if it neither holds nor is accepted."""
    exported = read_sampling(folder / settings.export)
    service = ServiceAddress.of_environment()
    served, own = (
        resolved(service, settings.engine, **given) for given in ({}, {"temperature": OWN, "max_tokens": 1})
    )
    if served is None or own is None:
        what = "the server does not show how it samples a request that names no value"
        raise StageFailed(Problem(what, service.url, "prove a server that Conch started: conch serve"))
    return leave_proof(prove(exported, served, own.get("temperature")), settings, folder)


def resolved(service: ServiceAddress, engine: str, **given: float) -> Defaults | None:
    """How a server samples a request with these values; None if it does not show that."""
    body = {"model": service.model, "messages": [{"role": "user", "content": "1"}], **given}
    with http_client(service.url, service.key, TIMEOUT) as client:
        try:
            return server_api(engine).defaults(client, service.url.removesuffix("/v1"), body)
        except httpx.HTTPError as error:
            failure = request_error(error, url=service.url, timeout=TIMEOUT, key=service.key)
            raise StageFailed(Problem(str(failure), service.url, "see the server's log")) from None


def served_sampling(service: ServiceAddress, engine: str) -> ServedSampling | None:
    """What a server does for a client that names no value, max_tokens apart; None if it is not shown."""
    values = None
    with suppress(StageFailed):  # the first question then says what is wrong with the server
        values = resolved(service, engine)
    if values is None or "temperature" not in values:
        return None
    return ServedSampling(
        temperature=values["temperature"],
        top_p=values.get("top_p", 1),
        top_k=max(0, int(values.get("top_k", 0))),
        repetition_penalty=values.get("repetition_penalty", 1),
    )
