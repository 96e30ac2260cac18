"""serve.sampling over a base's generation_config.json: what is served, written, and refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.errors import MissingError, UsageError
from orchestrator.recipe.sampling import ServedSampling, generation_of, sampling_of

R1 = {"_from_model_config": True, "do_sample": True, "temperature": 0.6, "top_p": 0.95, "eos_token_id": 7}
STAND_IN = {"bos_token_id": 3, "eos_token_id": [4, 2], "pad_token_id": 0}

SAID = {
    "nothing": ({}, {}, ServedSampling()),
    "the stand-in": (STAND_IN, {}, ServedSampling()),
    "DeepSeek-R1-Distill": (R1, {}, ServedSampling(temperature=0.6, top_p=0.95)),
    "the recipe is greedy": (R1, {"temperature": 0}, ServedSampling()),
    "the recipe's temperature alone": (R1, {"temperature": 0.3}, ServedSampling(temperature=0.3, top_p=0.95)),
    "do_sample alone": ({"do_sample": True}, {}, ServedSampling(temperature=1)),
    "values without do_sample": ({"temperature": 0.6}, {}, ServedSampling(temperature=0.6)),
    "top_p without do_sample": ({"top_p": 0.9}, {}, ServedSampling(temperature=1, top_p=0.9)),
    "greedy with neutral values": (
        {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50},
        {},
        ServedSampling(),
    ),
    "no top_k, as vLLM spells it": ({"do_sample": True, "top_k": -1}, {}, ServedSampling(temperature=1)),
    "null": ({"temperature": None, "top_p": None}, {}, ServedSampling()),
    "a number as text": ({"temperature": "0.6"}, {}, ServedSampling(temperature=0.6)),
    "a temperature of one": ({}, {"temperature": 1}, ServedSampling(temperature=1)),
    "penalty and length": (
        STAND_IN,
        {"repetition_penalty": 1.1, "max_tokens": 64},
        ServedSampling(repetition_penalty=1.1, max_tokens=64),
    ),
}


@pytest.mark.parametrize(("generation", "given", "served"), SAID.values(), ids=SAID)
def test_what_is_served_by_default(
    generation: dict[str, Any], given: dict[str, float], served: ServedSampling
) -> None:
    assert sampling_of(generation, given) == served


@pytest.mark.parametrize(("generation", "given", "served"), SAID.values(), ids=SAID)
def test_fault_165_what_is_written_reads_the_same_and_can_be_saved_again(
    generation: dict[str, Any], given: dict[str, float], served: ServedSampling
) -> None:
    written = json.loads(json.dumps(generation_of(generation, served)))
    assert sampling_of(written) == served
    assert generation_of(written, served) == written
    others = {key: value for key, value in generation.items() if key.endswith("_id")}
    assert others.items() <= written.items()
    # transformers 5.5 and 5.19 (GenerationConfig.save_pretrained) refuse these beside do_sample: false.
    if not written["do_sample"]:
        assert not {"temperature", "top_p", "min_p", "typical_p"} & set(written)


ODD = [
    {"temperature": "hot"},
    {"temperature": -1},
    {"temperature": 2.5},
    {"temperature": 0.001},
    {"temperature": True},
    {"temperature": [0.6]},
    {"temperature": {}},
    {"temperature": float("nan")},
    {"temperature": float("inf")},
    {"temperature": 10**400},
    {"top_p": 0},
    {"top_p": 1.5},
    {"top_p": "a\x1b[2Jb"},
    {"top_k": 2.5},
    {"top_k": -2},
    {"top_k": "many"},
    {"repetition_penalty": 0},
    {"repetition_penalty": -1.5},
    {"max_new_tokens": 0},
    {"max_new_tokens": -5},
    {"max_new_tokens": 1e30},
]


@pytest.mark.parametrize("generation", ODD, ids=str)
def test_fault_160_a_base_with_values_that_no_engine_serves(generation: dict[str, Any]) -> None:
    with pytest.raises(MissingError) as caught:
        sampling_of(generation, where="inputs/base/generation_config.json")
    (problem,) = caught.value.problems
    assert next(iter(generation)) in problem.what
    assert "\x1b" not in str(caught.value)
    assert len(problem.what) < 200
    assert problem.hint.startswith("--set serve.sampling.")


def test_a_recipe_replaces_an_odd_value_of_the_base() -> None:
    assert sampling_of({"temperature": "hot"}, {"temperature": 0.5}) == ServedSampling(temperature=0.5)


@pytest.mark.parametrize("key", ["top_p", "top_k"])
def test_a_value_without_effect_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=f"serve.sampling.{key} has no effect: the model is greedy"):
        sampling_of(STAND_IN, {key: 1})
