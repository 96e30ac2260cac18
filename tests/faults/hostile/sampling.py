"""Sampling: what a recipe and a generation_config.json can ask of the server."""

from __future__ import annotations

from tests.faults.hostile import Hostile, nothing, write
from tests.faults.hostile.recipe_files import AT, recipe_and

GENERATION = "base/generation_config.json"
HINT = "--set serve.sampling."


def setting(name: str, key: str, value: str, *said: str) -> Hostile:
    """A value on the command line."""
    words = ("plan", "small", "--set", f"serve.sampling.{key}={value}")
    return Hostile(name, nothing, words, 2, (f"serve.sampling.{key}", *said))


def in_recipe(name: str, passage: str, *said: str) -> Hostile:
    """The passage in the recipe."""
    make = recipe_and(f"serve: {{sampling: {passage}}}\n")
    return Hostile(name, make, ("plan", "small"), 2, (f"{AT}:11:", *said), also_json=True)


def base(name: str, text: bytes | str, *said: str) -> Hostile:
    """A base with this generation_config.json: told before anything is trained."""
    return Hostile(name, write(GENERATION, text), ("run", "small"), 3, (GENERATION.partition("/")[2], *said))


TEMPERATURE = "0 (greedy), or a number from 0.01 to 2"

CASES = (
    setting("a temperature below zero", "temperature", "-0.1", TEMPERATURE),
    setting("a temperature above two", "temperature", "2.01", TEMPERATURE),
    setting("a temperature that vLLM would raise", "temperature", "0.001", TEMPERATURE),
    setting("a temperature that is no number", "temperature", "nan", TEMPERATURE),
    setting("a temperature without end", "temperature", ".inf", TEMPERATURE),
    setting("a temperature in words", "temperature", "hot", TEMPERATURE),
    setting("a temperature that is true", "temperature", "true", TEMPERATURE),
    setting("a temperature with control characters", "temperature", "a\x1b[2Jb", "U+001B is not allowed"),
    setting("top_p of zero", "top_p", "0", "above 0"),
    setting("top_p above one", "top_p", "1.0001", "at most 1"),
    setting("top_p of another kind", "top_p", "[0.9, 0.8]", "a number above 0"),
    setting("top_k with a fraction", "top_k", "1.5", "a whole number"),
    setting("top_k below zero", "top_k", "-1", "a whole number"),
    setting("top_k of 400 digits", "top_k", "9" * 400, "a whole number"),
    setting("a penalty of zero", "repetition_penalty", "0", "above 0"),
    setting("no tokens at all", "max_tokens", "0", "a whole number from 1"),
    setting("a length that is a mapping", "max_tokens", "{a: 1}", "a whole number from 1"),
    setting("a key that is not there", "temprature", "0.5", 'did you mean "temperature"?'),
    Hostile(
        "a value beside its section",
        recipe_and("serve: {temperature: 0.6}\n"),
        ("plan", "small"),
        2,
        (f"{AT}:11:", 'did you mean "serve.sampling.temperature"?'),
    ),
    in_recipe("a list instead of a mapping", "[0.6, 0.95]"),
    in_recipe("a number instead of a mapping", "0.6"),
    in_recipe("text instead of a mapping", "greedy"),
    in_recipe("a mapping in a value", "{temperature: {cpu: 0.6}}", TEMPERATURE),
    Hostile(
        "vLLM's own option for it",
        recipe_and("vllm: {override-generation-config: {temperature: 5}}\n"),
        ("plan", "small"),
        2,
        (f"{AT}:11:", "serve.sampling"),
    ),
    Hostile(
        "a folder of generation settings",
        recipe_and("vllm: {generation-config: /etc}\n"),
        ("plan", "small"),
        2,
        (f"{AT}:11:", "serve.sampling"),
    ),
    base("a base at a temperature in words", '{"temperature": "hot"}', "temperature is 'hot'", HINT),
    base("a base at a temperature below zero", '{"temperature": -3}', "temperature is '-3'", HINT),
    base("a base at a temperature of NaN", '{"temperature": NaN, "do_sample": true}', "temperature is", HINT),
    base("a base with top_p of two", '{"do_sample": true, "top_p": 2}', "top_p is '2'", HINT),
    base("a base with a list as top_k", '{"do_sample": true, "top_k": [1, 2]}', "top_k is", HINT),
    base("a base without room for a token", '{"max_new_tokens": 0}', "max_new_tokens is '0'", HINT),
    base("a base with terminal codes", '{"temperature": "\\u001b]0;x\\u0007"}', "temperature is", HINT),
    base("a base whose file is a list", "[1, 2]", "not a JSON object"),
    base("a base whose file is cut off", '{"temperature": 0.', "not a JSON object"),
    base("a base whose file is not text", b"\xff\xfe\x00{", "not a JSON object"),
    base("a base whose file is deeper than Python", "[" * 100_000, "not a JSON object"),
    base(
        "a base whose file is a huge number", '{"temperature": 1' + "0" * 5000 + "}", "generation_config.json"
    ),
    Hostile(
        "a value without effect",
        write(GENERATION, '{"eos_token_id": 2}'),
        ("run", "small", "--set", "serve.sampling.top_p=0.5"),
        2,
        ("serve.sampling.top_p has no effect: the model is greedy",),
    ),
)
