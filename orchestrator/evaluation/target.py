"""A target: the thresholds of a recipe against the results of a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.recipe import Target
from orchestrator.results import Sampled, Sentence

# The highest score of a missed target.
NEARLY = 0.999999


@dataclass(frozen=True, slots=True)
class Part:
    """One threshold of a target.

    Attributes:
        name: "checks", "sampled", "paraphrases", "general" or a metric's.
        required, actual: in the recipe's unit: rates from 0 to 1, metrics from 0 to 100; actual is None if
            the run did not measure it.
        met: whether the threshold is reached.
        sentence: both values as a sentence.
        near: how close the run came, 0 to 1; 1 if met.
    """

    name: str
    required: float
    actual: float | None
    met: bool
    sentence: Sentence
    near: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The results of a run: (passed, judged) of each kind, and the mean of each metric.

    `sampled` is None if the served model is greedy; else it must meet target.checks too.
    """

    checks: tuple[int, int]
    paraphrases: tuple[int, int]
    general: tuple[int, int]
    general_base: tuple[int, int]
    metrics: Mapping[str, float]
    sampled: Sampled | None = None


def parts_of(target: Target, figures: Figures) -> Iterable[Part]:
    """Every threshold of a target with the run's value."""
    if target.checks is not None:
        yield _rate("checks", _CHECKS, target.checks, figures.checks)
        if figures.sampled is not None:
            yield _sampled(target.checks, figures.sampled)
    if target.paraphrases is not None:
        yield _rate("paraphrases", _PARAPHRASES, target.paraphrases, figures.paraphrases)
    for metric, required in target.metrics.items():
        yield _metric(metric, required, figures.metrics.get(metric))
    if target.regression is not None:
        yield _regression(target.regression, figures)


def _metric(name: str, required: float, actual: float | None) -> Part:
    least, zh = f"at least {required:g}", f"至少 {required:g}"
    if actual is None:
        what = Sentence(f"{name} was not measured ({least})", f"未测量 {name}（{zh}）")
        return Part(name, required, None, False, what, 0.0)
    near = min(1.0, actual / required) if required else 1.0
    what = Sentence(f"{name} {actual:.2f} ({least})", f"{name} {actual:.2f}（{zh}）")
    return Part(name, required, actual, actual >= required, what, near)


_CHECKS = Sentence("checks passed", "项检查通过")
_PARAPHRASES = Sentence("paraphrases answered correctly", "个换问法的题答对")


def _rate(name: str, words: Sentence, required: float, counts: tuple[int, int]) -> Part:
    good, asked = counts
    if not asked:
        zh = {"checks": "检查", "paraphrases": "换问法的题"}[name]
        what = Sentence(
            f"no {name} were judged: no question has an expectation (at least {required:.0%})",
            f"没有可评判的{zh}：没有带期望的问题（至少 {required:.0%}）",
        )
        return Part(name, required, None, False, what, 0.0)
    rate = good / asked
    sentence = Sentence(
        f"{good} of {asked} {words} ({rate:.1%}, at least {required:.1%})",
        f"{asked} 中有 {good} {words.zh}（{rate:.1%}，至少 {required:.1%}）",
    )
    return Part(name, required, rate, rate >= required, sentence, min(1.0, rate / required))


def _sampled(required: float, sampled: Sampled) -> Part:
    passed, judged = sampled.counts
    rate = passed / judged if judged else None
    met = rate is not None and not sampled.fails
    return Part("sampled", required, rate, met, sampled.words, min(1.0, (rate or 0.0) / required))


def _regression(allowed: float, figures: Figures) -> Part:
    good, asked = figures.general
    before, of = figures.general_base
    limit, zh = f"at most {allowed:.1%} lost", f"最多下降 {allowed:.1%}"
    if not asked or not of:
        en, zh = "the general questions were not asked of both models", f"常识题未向两个模型都提问（{zh}）"
        what = Sentence(f"{en} ({limit})", zh)
        return Part("general", allowed, None, False, what, 0.0)
    lost = before / of - good / asked
    sentence = Sentence(
        f"{good} of {asked} general questions answered, the base {before} of {of} ({limit})",
        f"常识题答对 {good}/{asked}，底座 {before}/{of}（{zh}）",
    )
    met = lost <= allowed + 1e-9  # both are sums of fractions
    return Part("general", allowed, lost, met, sentence, 1.0 if met else max(0.0, 1 - (lost - allowed)))


def score_of(parts: Iterable[Part]) -> float:
    """How close all parts came, 0 to 1; 1 exactly if all are met."""
    near = [part.near for part in parts]
    return round(sum(near) / len(near), 6) if near else 0.0


@dataclass(frozen=True, slots=True)
class TargetResult:
    """target.json."""

    met: bool
    score: float
    parts: tuple[Part, ...]


def check_target(target: Target, figures: Figures) -> TargetResult:
    """Whether a run meets a target, and how close it came."""
    parts = tuple(parts_of(target, figures))
    met = bool(parts) and all(part.met for part in parts)
    return TargetResult(met, 1.0 if met else min(score_of(parts), NEARLY), parts)
