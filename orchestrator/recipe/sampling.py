"""How the served model chooses tokens for clients that name no value: `serve.sampling`, over the base's own.

Pure. A base says it in its generation_config.json, an export in its own; `sampling_of` reads both. The
readers of that file differ: transformers samples only under do_sample, and refuses to save values that it
would ignore; LLaMA-Factory turns do_sample on if it finds such values; vLLM ignores do_sample, and samples at
temperature 1.0 if it finds none. `generation_of` writes a file that they all understand; only that an answer
is greedy must be told to vLLM in addition (ServingEngine.sampling).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field
from pydantic_core import PydanticCustomError

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.recipe.fields import FieldType, Number, Whole, wrong
from orchestrator.recipe.section import Section
from orchestrator.results import Sentence

GENERATION = "generation_config.json"
# vLLM raises a lower temperature to this one.
LOWEST = 0.01
HIGHEST = 2.0


@dataclass(frozen=True, slots=True)
class Temperature(Number):
    """A temperature: 0 for greedy, or one that engines take as it is."""

    def check(self, value: object) -> object:
        number = self.convert(value)
        if number is None or not (number == 0 or LOWEST <= number <= HIGHEST):
            raise wrong(f"0 (greedy), or a number from {LOWEST:g} to {HIGHEST:g}")
        return number

    def json(self) -> dict[str, object]:
        return {"anyOf": [{"const": 0}, {"type": "number", "minimum": LOWEST, "maximum": HIGHEST}]}


_FIELDS: dict[str, FieldType] = {
    "temperature": Temperature(least=0, most=HIGHEST),
    "top_p": Number(above=0, most=1),
    "top_k": Whole(least=0, most=1000000),
    "repetition_penalty": Number(above=0, most=10),
    "max_tokens": Whole(least=1, most=1048576),
}
# Of this section → of generation_config.json, where they differ.
_KEYS = {"max_tokens": "max_new_tokens"}
# Values that transformers refuses to save beside do_sample: false.
_SAMPLED = ("temperature", "top_p", "top_k", "min_p", "typical_p", "top_h", "epsilon_cutoff", "eta_cutoff")


class Sampling(Section):
    """How tokens are chosen for clients that name no value; what is unset is the base model's own."""

    temperature: Annotated[float, _FIELDS["temperature"]] | None = Field(
        None, description="Sampling temperature; 0 for the most likely token."
    )
    top_p: Annotated[float, _FIELDS["top_p"]] | None = Field(
        None, description="Sample from the likeliest tokens with this total probability; 1 for all."
    )
    top_k: Annotated[int, _FIELDS["top_k"]] | None = Field(
        None, description="Sample from this many of the likeliest tokens; 0 for all."
    )
    repetition_penalty: Annotated[float, _FIELDS["repetition_penalty"]] | None = Field(
        None, description="Above 1, tokens that occurred before become less likely."
    )
    max_tokens: Annotated[int, _FIELDS["max_tokens"]] | None = Field(
        None, description="Maximum answer length in tokens; all that the conversation leaves if unset."
    )

    @property
    def given(self) -> dict[str, float]:
        """The values that the recipe sets."""
        return {key: value for key, value in self.model_dump().items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSampling:
    """What a server does for a client that names no value.

    Attributes:
        temperature: 0 for greedy; top_p and top_k are then 1 and 0.
        top_k: 0 for all tokens.
        max_tokens: None for all that the conversation leaves.
    """

    temperature: float = 0
    top_p: float = 1
    top_k: int = 0
    repetition_penalty: float = 1
    max_tokens: int | None = None

    @property
    def samples(self) -> bool:
        """Whether an answer can differ from one time to the next."""
        return self.temperature > 0

    @property
    def words(self) -> Sentence:
        """The values as text.

        >>> str(ServedSampling(temperature=0.6, top_p=0.95).words), str(ServedSampling().words)
        ('temperature 0.6, top_p 0.95', 'greedy')
        """
        neutral = asdict(ServedSampling())
        given = [f"{key} {value:g}" for key, value in asdict(self).items() if value != neutral[key]]
        if self.samples:
            return Sentence(", ".join(given))
        return Sentence(", ".join(["greedy", *given]), "，".join(["贪心解码", *given]))


def sampling_of(
    generation: Mapping[str, object], given: Mapping[str, float] | None = None, *, where: str = GENERATION
) -> ServedSampling:
    """The values of a generation_config.json, and over them those of a recipe.

    Where all its values are neutral, a model samples only if do_sample says so.

    Raises:
        MissingError: with every value that no engine can serve.
        UsageError: the recipe's value has no effect.
    """
    given = given or {}
    found: dict[str, object] = {}
    problems = []
    for key, field in _FIELDS.items():
        name = _KEYS.get(key, key)
        value = given.get(key, generation.get(name))
        if value is None:
            continue
        try:
            found[key] = field.check(0 if key == "top_k" and value == -1 else value)
        except PydanticCustomError as error:
            what = f"{name} is {str(value)[:40]!r}, {error.message().replace('must be', 'not')}"
            problems.append(Problem(what, where, f"--set serve.sampling.{key}=VALUE, or correct the file"))
    if "temperature" not in given and found.get("temperature", 1) == 1:
        tuned = any(generation.get(key) not in (None, 1) for key in ("top_p", "typical_p"))
        found["temperature"] = 1 if generation.get("do_sample") is True or tuned else 0
    if problems:
        raise MissingError(*problems)
    if found["temperature"] == 0:
        idle = [f"serve.sampling.{key}" for key in ("top_p", "top_k") if key in given]
        if idle:
            hint = "--set serve.sampling.temperature=VALUE, or remove it"
            raise UsageError(
                *(Problem(f"{key} has no effect: the model is greedy", hint=hint) for key in idle)
            )
        found |= {"top_p": 1, "top_k": 0}
    return ServedSampling(**found)  # type: ignore[arg-type]  # checked above, field by field


def generation_of(generation: Mapping[str, object], sampling: ServedSampling) -> dict[str, object]:
    """A generation_config.json with this sampling; its other keys stay."""
    kept = {key: value for key, value in generation.items() if sampling.samples or key not in _SAMPLED}
    values: dict[str, object] = {"do_sample": sampling.samples}
    if sampling.samples:
        values |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
    if sampling.repetition_penalty != 1 or "repetition_penalty" in kept:
        values["repetition_penalty"] = sampling.repetition_penalty
    if sampling.max_tokens is not None:
        values["max_new_tokens"] = sampling.max_tokens
    return kept | values
