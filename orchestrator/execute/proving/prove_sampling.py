"""The task `prove_sampling`: what the running server does with a request that names no value."""

from __future__ import annotations

from pathlib import Path

from orchestrator.backends.engines import ENGINES
from orchestrator.execute.host.atomic_files import read_text
from orchestrator.execute.host.tell import tell
from orchestrator.execute.inference.api_key import ServiceAddress
from orchestrator.execute.models.model_folder import read_sampling
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.plan.stages.prove_served import ProveSamplingSettings
from orchestrator.proofs.sampling import prove

# Of the servers that a run, and `conch serve`, start.
LOGS = ("logs/server.log", "logs/serve.log")


def prove_sampling(settings: ProveSamplingSettings, folder: Path) -> int:
    """Read the server's own words, write the proof; 5 if it neither holds nor is accepted.

    Without the log of this server there is no proof, and the certificate says so.
    """
    exported = read_sampling(folder / settings.export)
    address = ServiceAddress.of_environment().url.removesuffix("/v1")
    for name in LOGS:
        served = ENGINES[settings.engine].defaults(read_text(folder / name) or "", address)
        if served is not None:
            return leave_proof(prove(exported, served), settings, folder)
    tell(f"not proven: no log of the server at {address} says how it samples")
    return 0
