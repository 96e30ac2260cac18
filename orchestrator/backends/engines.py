"""ENGINES: the serving engines that a recipe can choose with `serve.engine`. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.backends import vllm
from orchestrator.backends.serving_engine import ServingEngine
from orchestrator.plan.stage import RenderedFile, Service

if TYPE_CHECKING:
    from orchestrator.plan.job import Job

ENGINES: dict[str, ServingEngine] = {"vllm": vllm}

# The config file of a run's servers.
CONFIG = "server.yaml"


def engine_of(job: Job) -> ServingEngine:
    """The engine that the recipe chooses."""
    return ENGINES[job.recipe.serve.engine]


def engine_behind(service: Service) -> ServingEngine:
    """The engine of a service; the KeyError of one that this version does not have."""
    return ENGINES[service.engine]


def config_file(job: Job) -> RenderedFile:
    """The config file of a run's servers."""
    return RenderedFile(CONFIG, engine_of(job).config(job, chat_template="chat_template.jinja"))


def export_service(job: Job) -> Service:
    """The server of the export; it imports its libraries while the export is written."""
    service = _service(job, "server", "export", "export")
    return replace(service, sampling=sampled_folder(job))


def sampled_folder(job: Job) -> str:
    """The folder whose generation_config.json says how the export's server samples; "" if it gives scores."""
    return "" if job.kind.scores else "export"


def base_service(job: Job, *, warm_during: str = "prove_data") -> Service:
    """The server of the untouched base model."""
    return _service(job, "server-base", "inputs/base", warm_during)


def _service(job: Job, name: str, folder: str, warm_during: str) -> Service:
    return engine_of(job).service(
        job, name=name, folder=folder, warm_during=warm_during, config=CONFIG, host="127.0.0.1"
    )
