"""What a serving engine is: the part that Conch needs to plan with, without a server.

An engine is a module or an object with these names, and a line in ENGINES (engines.py). If its server
reports its state in its own way, it also has a file in execute/servers/engines/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.backends.base import Symptom
from orchestrator.backends.options.table import OptionTable
from orchestrator.plan.stage import Service
from orchestrator.recipe.sampling import ServedSampling

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Limitations:
    """What an engine cannot do, each with the reason; "" where it can.

    Attributes:
        tokenize: show the token ids of a chat request (/tokenize, and return_token_ids in a completion).
        prompt_logprobs: return the log probability of every prompt token.
        adapters: serve LoRA adapters that are not merged.
        adapter_logprobs: prompt_logprobs with such an adapter.
        reasoning_parser: put the thinking into a field of its own.
        scores: serve a reward model.
        defaults: log how it samples for a request that names no value.
    """

    tokenize: str = ""
    prompt_logprobs: str = ""
    adapters: str = ""
    adapter_logprobs: str = ""
    reasoning_parser: str = ""
    defaults: str = ""
    scores: str = ""


class ServingEngine(Protocol):
    """A program that serves a model folder behind an OpenAI-compatible API.

    Attributes:
        name: its key in ENGINES, and the recipe's `serve.engine`.
        passage: the recipe's mapping of the engine's own options, a field of Recipe; "" for none.
        options: which of its options the passage may set.
        key_variable: the environment variable in which the server expects its API key.
        tool_parser_option: of its options, the one that names the parser of tool calls; "" for none.
        open_paths: paths that the server answers without the key; "" for none.
        limitations: what the engine cannot do.
        symptoms: what it prints when it fails.
        phases: what it prints while it starts, in order → what to show; the first one holds from the start.
        request_hints: a part of a refusal's text → what to change in the recipe.
    """

    name: str
    passage: str
    options: OptionTable
    key_variable: str
    tool_parser_option: str
    open_paths: str
    limitations: Limitations
    symptoms: tuple[Symptom, ...]
    phases: tuple[tuple[str, str], ...]
    request_hints: Mapping[str, str]

    def config(self, job: Job, /, *, chat_template: str) -> str:
        """The text of the config file, which the server reads at the path given to `service`."""

    def service(
        self, job: Job, /, *, name: str, folder: str, warm_during: str, config: str, host: str
    ) -> Service:
        """A server of a model folder, under the recipe's model name and no other.

        Where it takes thinking off, content begins with the answer, without blank lines (ADR 11).

        A warm command reads, as one JSON list, the words of the command behind the program. It starts with
        the stage `warm_during`, never if that is "". Paths are relative to the run; the port is {port}.
        """

    def sampling(self, served: ServedSampling, /) -> tuple[str, ...]:
        """Words behind a service's command that make these values the server's defaults.

        The model folder's generation_config.json names the same; () for an engine that obeys it.
        """

    def defaults(self, log: str, address: str, /) -> Mapping[str, float] | None:
        """How the server at an address (http://HOST:PORT) samples by default, as its log says.

        Names of ServedSampling → values; None if the log is not of that server, or does not say it.
        """

    def of_folder(self, service: Service, folder: str, /, *, name: str) -> Service:
        """The same server for another model folder, without a warm start."""

    def with_adapters(
        self, service: Service, adapters: Mapping[str, str], rank: int, /, *, name: str
    ) -> Service:
        """One server of inputs/base, as the model "base", and of adapters that are not merged.

        `adapters`: model name → folder. `rank` is the largest among them.
        """
