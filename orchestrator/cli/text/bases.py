"""A comparison of bases in the terminal: a table, differences from the first, who is best, the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.cli.text.terminal import one_line, table, visible

SHOWN = 12
_ANSWER = 120
_NAMES = {"bits_per_character": "bits a character", "chrf": "chrF"}
FOOTNOTE = (
    "bits a character: what the data's own answers cost a model, whatever its tokenizer; lower is better. "
    "Perplexity is by each model's own tokens: compare it only where they have one tokenizer."
)


def bases_text(told: Mapping[str, Any]) -> str:
    """All of it, as lines."""
    return "\n".join(_lines(told))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    bases = told["bases"]
    names = [one["base"] for one in bases]
    yield table((f"{told['samples']} rows of {told['data']}", *names), list(_facts(bases)))
    differences = told["differences"]
    yield table(
        (f"difference from {names[0]} [95 %]", *(one["b"] for one in differences)), list(_apart(differences))
    )
    rows = told["rows"][:SHOWN]
    cells = [
        [
            one_line(text, _ANSWER) or "(nothing)"
            for text in (row["question"], row["reference"], *row["answers"])
        ]
        for row in rows
    ]
    yield table(("question", "the data's answer", *names), cells)
    for one in bases:
        for error, times in one["numbers"]["errors"].items():
            yield visible(f"{one['base']}: {times} without an answer: {error}")
    yield from best_lines(told["best"])
    yield FOOTNOTE


def best_lines(best: Mapping[str, Any]) -> Iterator[str]:
    """A sentence a measure: who is best, and whether that may be chance."""
    for measure, found in best.items():
        values = {found["base"]: found["a"], found["against"]: found["b"]}
        ahead = f"{values[found['base']]:.2f} against {values[found['against']]:.2f} of {found['against']}"
        apart = f"{found['difference']:+.2f} [{found['low']:+.2f}, {found['high']:+.2f}]"
        sure = "not by chance" if found["sure"] else "which may be chance: more rows would tell (--limit)"
        yield visible(f"best by {_NAMES[measure]}: {found['base']}, {ahead} ({apart}), {sure}")


def _facts(bases: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    numbers = [one["numbers"] for one in bases]
    yield "asked by", *(f"{one['template']}, thinking {one['thinking']}" for one in bases)
    yield "answered", *(f"{one['answered']} of {one['samples']}" for one in numbers)
    yield "bits a character", *(_interval(one["bits_per_character"], "value", "not scored") for one in bases)
    yield (
        "perplexity, own tokens",
        *(_interval(one["perplexity"], "value", one["perplexity_missing"]) for one in numbers),
    )
    for name in numbers[0]["metrics"]:
        yield name, *(_interval(one["metrics"][name], "mean") for one in numbers)
    yield "general passed", *("{} of {}".format(*one["general"]) for one in bases)
    yield (
        "tokens an answer",
        *(f"{one['length']['mean']:g}, longest {one['length']['longest']}" for one in numbers),
    )
    yield (
        "ended by",
        *(", ".join(f"{name} {times}" for name, times in one["stops"].items()) for one in numbers),
    )
    for name in ("seconds_an_answer", "tokens_a_second"):
        yield name.replace("_", " "), *(_number(one["speed"][name]) for one in bases)


def _apart(differences: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    yield "bits a character", *(_change(one["bits_per_character"]) for one in differences)
    for name in differences[0]["metrics"]:
        yield name, *(_change(one["metrics"][name]) for one in differences)
    yield "general passed, of 100", *(_change(one["general"]) for one in differences)


def _interval(value: Mapping[str, float] | None, key: str, missing: str = "") -> str:
    return f"{value[key]:.2f} [{value['low']:.2f}, {value['high']:.2f}]" if value else f"not known: {missing}"


def _change(value: Mapping[str, float] | None) -> str:
    return f"{value['difference']:+.2f} [{value['low']:+.2f}, {value['high']:+.2f}]" if value else "not known"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:g}"
