"""A comparison of bases for the terminal: results, differences from the first, the best, the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.text.terminal import table
from orchestrator.outside import one_line, visible

if TYPE_CHECKING:
    from orchestrator.evaluation.bases import BaseDifference, BaseResult, Best, Bits
    from orchestrator.evaluation.comparison import Difference
    from orchestrator.evaluation.numbers import Mean, Perplexity
    from orchestrator.execute.evaluating.compare_bases import BasesComparison

SHOWN = 12
_ANSWER = 120
_NAMES = {"bits_per_character": "bits per character", "chrf": "chrF"}
FOOTNOTE = (
    "Bits per character: the cost of the data's answers, independent of the tokenizer; lower is better. "
    "Perplexity counts each model's own tokens: compare it only between models with the same tokenizer."
)


def bases_text(found: BasesComparison) -> str:
    """The whole text."""
    return "\n".join(_lines(found))


def _lines(found: BasesComparison) -> Iterator[str]:
    bases = found["bases"]
    names = [one["base"] for one in bases]
    yield table((f"{found['samples']} rows of {found['data']}", *names), list(_facts(bases)))
    differences = found["differences"]
    yield table(
        (f"difference from {names[0]} [95 %]", *(one["b"] for one in differences)), list(_apart(differences))
    )
    rows = found["rows"][:SHOWN]
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
    yield from best_lines(found["best"])
    yield FOOTNOTE


def best_lines(best: Mapping[str, Best]) -> Iterator[str]:
    """A sentence per measure: the best base, and whether the difference may be chance."""
    for measure, found in best.items():
        values = {found["base"]: found["a"], found["against"]: found["b"]}
        ahead = f"{values[found['base']]:.2f} against {values[found['against']]:.2f} of {found['against']}"
        apart = f"{found['difference']:+.2f} [{found['low']:+.2f}, {found['high']:+.2f}]"
        sure = "not by chance" if found["sure"] else "which may be chance: ask more rows (--limit)"
        yield visible(f"best by {_NAMES[measure]}: {found['base']}, {ahead} ({apart}), {sure}")


def _facts(bases: Sequence[BaseResult]) -> Iterator[Sequence[str]]:
    numbers = [one["numbers"] for one in bases]
    yield "asked by", *(f"{one['template']}, thinking {one['thinking']}" for one in bases)
    yield "answered", *(f"{one['answered']} of {one['samples']}" for one in numbers)
    yield "bits per character", *(_measured(one["bits_per_character"], "not scored") for one in bases)
    yield (
        "perplexity, own tokens",
        *(_measured(one["perplexity"], one["perplexity_missing"]) for one in numbers),
    )
    for name in numbers[0]["metrics"]:
        yield name, *(_interval(one["metrics"][name]["mean"], one["metrics"][name]) for one in numbers)
    yield "general passed", *("{} of {}".format(*one["general"]) for one in bases)
    yield (
        "tokens per answer",
        *(f"{one['length']['mean']:g}, longest {one['length']['longest']}" for one in numbers),
    )
    yield (
        "ended by",
        *(", ".join(f"{name} {times}" for name, times in one["stops"].items()) for one in numbers),
    )
    yield "seconds per answer", *(_number(one["speed"]["seconds_an_answer"]) for one in bases)
    yield "tokens per second", *(_number(one["speed"]["tokens_a_second"]) for one in bases)


def _apart(differences: Sequence[BaseDifference]) -> Iterator[Sequence[str]]:
    yield "bits per character", *(_change(one["bits_per_character"]) for one in differences)
    for name in differences[0]["metrics"]:
        yield name, *(_change(one["metrics"][name]) for one in differences)
    yield "general passed, of 100", *(_change(one["general"]) for one in differences)


def _measured(value: Bits | Perplexity | None, missing: str) -> str:
    return _interval(value["value"], value) if value else f"unknown: {missing}"


def _interval(value: float, ends: Bits | Perplexity | Mean) -> str:
    return f"{value:.2f} [{ends['low']:.2f}, {ends['high']:.2f}]"


def _change(value: Difference | None) -> str:
    return f"{value['difference']:+.2f} [{value['low']:+.2f}, {value['high']:+.2f}]" if value else "unknown"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
