"""The serving engine "tiny": both halves of what a second engine is, for tests/fakes/tiny_server.py."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx

from orchestrator.backends.base import Symptom
from orchestrator.backends.options.table import OptionTable
from orchestrator.backends.serving_engine import Limitations
from orchestrator.execute.servers.engines.base import Counters, models
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Command, Runtime, Service
from orchestrator.recipe.sampling import ServedSampling

SERVER = Path(__file__).with_name("tiny_server.py")


class Tiny:
    """The pure half."""

    name = "tiny"
    passage = ""
    options = OptionTable()
    key_variable = "TINY_KEY"
    tool_parser_option = ""
    open_paths = "/ready, /stats"
    limitations = Limitations(
        tokenize="tiny does not show token ids",
        prompt_logprobs="tiny does not return log probabilities",
        adapters="tiny serves merged models only",
        reasoning_parser="tiny has no reasoning parsers",
        defaults="tiny does not log how it samples",
    )
    symptoms = (Symptom(r"no model folder (?P<folder>\S+)", "it finds no {folder}", "export again"),)
    phases = ((r"^", "starting tiny"), (r"tiny: serving", "waiting for tiny's first token"))
    request_hints: Mapping[str, str] = {}

    def config(self, job: Job, /, *, chat_template: str) -> str:
        """A file that it does not read."""
        return f"model: {job.recipe.served_model}\ntemplate: {chat_template}\n"

    def service(
        self,
        job: Job,
        /,
        *,
        name: str,
        folder: str,
        warm_during: str,  # noqa: ARG002  it has no warm start
        config: str,  # noqa: ARG002  it reads none
        host: str,  # noqa: ARG002  loopback alone
    ) -> Service:
        """A cold start."""
        names = ("--alias", job.recipe.served_model)
        argv = (sys.executable, str(SERVER), folder, "--port", "{port}", *names)
        command = Command(argv=argv, runtime=Runtime.SERVE)
        return Service(name, command, job.recipe.served_model, engine="tiny", ready_timeout=60)

    def sampling(self, served: ServedSampling, /) -> tuple[str, ...]:  # noqa: ARG002  always greedy
        """It has no word for it."""
        return ()

    def defaults(self, log: str, address: str, /) -> Mapping[str, float] | None:
        """It does not say."""
        return None if log or address else {}

    def of_folder(self, service: Service, folder: str, /, *, name: str) -> Service:
        """Another folder."""
        program, script, _, *words = service.command.argv
        command = replace(service.command, argv=(program, script, folder, *words))
        return replace(service, name=name, command=command)

    def with_adapters(
        self, service: Service, adapters: Mapping[str, str], rank: int, /, *, name: str
    ) -> Service:
        """It cannot."""
        raise NotImplementedError(service.name, adapters, rank, name)


def _is_up(client: httpx.Client, /) -> bool:
    try:
        return bool(client.get("/ready").json()["ready"])
    except (httpx.HTTPError, ValueError, KeyError):
        return False


def _counters(client: httpx.Client, /) -> Counters:
    told = client.get("/stats").json()
    return Counters(running=told["active"], tokens=told["generated"])


# The acting half.
TINY_API = SimpleNamespace(is_up=_is_up, models=models, counters=_counters)
