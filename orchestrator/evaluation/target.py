"""A target: what a recipe aims at, held against what a run reached. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

# The highest score of a target that is not met.
NEARLY = 0.999999


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is aimed at.

    Attributes:
        name: "checks", "paraphrases", "general" or a metric's.
        wanted, got: in the unit of the recipe: rates from 0 to 1, metrics from 0 to 100; got is None when
            the run did not find it out.
        met: whether got is as good as wanted.
        sentence: both, for a person.
        near: how near it came, 0 to 1; 1 when met.
    """

    name: str
    wanted: float
    got: float | None
    met: bool
    sentence: str
    near: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run reached: (passed, asked) of each kind, and the mean of each metric."""

    checks: tuple[int, int]
    paraphrases: tuple[int, int]
    general: tuple[int, int]
    general_base: tuple[int, int]
    metrics: Mapping[str, float]


def parts_of(target: Mapping[str, Any], figures: Figures) -> list[Part]:
    """Every part of a target, as the recipe's section `target` says it, with what was reached."""
    return list(_parts(target, figures))


def _parts(target: Mapping[str, Any], figures: Figures) -> Iterable[Part]:
    for name, words in (("checks", "checks passed"), ("paraphrases", "paraphrases answered right")):
        if target.get(name) is not None:
            yield _rate(name, words, float(target[name]), getattr(figures, name))
    for metric, wanted in target.get("metrics", {}).items():
        got = figures.metrics.get(metric)
        if got is None:
            yield Part(metric, wanted, None, False, f"{metric} was not measured (at least {wanted:g})", 0.0)
        else:
            near = min(1.0, got / wanted) if wanted else 1.0
            yield Part(metric, wanted, got, got >= wanted, f"{metric} {got:.2f} (at least {wanted:g})", near)
    if target.get("regression") is not None:
        yield _regression(float(target["regression"]), figures)


def _rate(name: str, words: str, wanted: float, counts: tuple[int, int]) -> Part:
    good, asked = counts
    if not asked:
        return Part(name, wanted, None, False, f"no {name} were asked (at least {wanted:.0%})", 0.0)
    rate = good / asked
    sentence = f"{good} of {asked} {words} ({rate:.1%}, at least {wanted:.1%})"
    return Part(name, wanted, rate, rate >= wanted, sentence, min(1.0, rate / wanted))


def _regression(allowed: float, figures: Figures) -> Part:
    good, asked = figures.general
    before, of = figures.general_base
    if not asked or not of:
        what = f"the general questions were not asked of both models (at most {allowed:.1%} lost)"
        return Part("general", allowed, None, False, what, 0.0)
    lost = before / of - good / asked
    limit = f"at most {allowed:.1%} lost"
    sentence = f"{good} of {asked} general questions answered, the base {before} of {of} ({limit})"
    met = lost <= allowed + 1e-9  # both are sums of fractions
    return Part("general", allowed, lost, met, sentence, 1.0 if met else max(0.0, 1 - (lost - allowed)))


def score_of(parts: Iterable[Part]) -> float:
    """How near all parts came, 0 to 1; 1 exactly when all are met."""
    near = [part.near for part in parts]
    return round(sum(near) / len(near), 6) if near else 0.0


def told(target: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    """What target.json holds: {"met", "score", "parts": [Part]}."""
    parts = parts_of(target, figures)
    met = bool(parts) and all(part.met for part in parts)
    score = 1.0 if met else min(score_of(parts), NEARLY)
    return {"met": met, "score": score, "parts": [asdict(part) for part in parts]}
