"""The top of a run's report: one sentence, and a few figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.html.facts import Facts, VerdictFacts
from orchestrator.html.words import Words
from orchestrator.metrics.interval import wilson
from orchestrator.results import Outcome, falls_short, reaches

GOOD, BAD, OPEN = "good", "bad", "open"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name; `share` is the length of its bar from 0 to 1, None for no bar."""

    name: str
    value: str
    note: str = ""
    share: float | None = None
    state: str = OPEN


def outcome(verdicts: Sequence[VerdictFacts]) -> Outcome:
    """Which cases passed."""
    return Outcome.of_pairs((one["case"], one["passed"]) for one in verdicts)


def _too_few(facts: Facts) -> bool:
    """Whether too few sampled answers passed."""
    told = facts["sampled"]
    return told is not None and reaches(told["passed"], told["judged"], told["required"]) is False


def state_of(facts: Facts) -> str:
    """Whether the run is good, bad, or not evaluated."""
    failed = any(one["status"] == "failed" for one in facts["runs"])
    refuted = any(not one["holds"] and not one["accepted"] for one in facts["proofs"])
    asked = outcome(facts["verdicts"])
    if failed or refuted or falls_short(facts["target"], failed=asked.fails or _too_few(facts)):
        return BAD
    return GOOD if asked.judged else OPEN


def sentence(facts: Facts, words: Words) -> str:
    """The verdict as one sentence."""
    say, parts = words.say, list(_parts(facts, words))
    return say(state_of(facts)) + say("colon") + say("and").join(parts) + say("end")


def _parts(facts: Facts, words: Words) -> Iterable[str]:
    say = words.say
    for one in facts["runs"]:
        if one["status"] == "failed":
            yield say("failed_at", stage=one["stage"], reason=words.quote(one["reason"]))
    asked = outcome(facts["verdicts"])
    if asked.judged:
        right = "all_checks" if asked.passed == asked.judged else "some_checks"
        yield say(right, good=asked.passed, of=asked.judged)
    if (told := facts["sampled"]) and told["judged"]:
        yield say("sampled_said", good=told["passed"], of=told["judged"])
    if asked.not_judged:
        yield say("some_not_judged" if asked.judged else "nothing_judged", count=asked.not_judged)
    if not asked.cases:
        yield say("nothing_asked", recipe=facts["recipe"])
    holds, made = _proven(facts)
    if made:
        yield say("all_proofs" if holds == made else "some_proofs", good=holds, of=made)
    if (ends := _losses(facts)) is not None:
        yield say("loss_fell", first=f"{ends[0]:.3g}", last=f"{ends[1]:.3g}")
    if facts["target"]:
        yield say("target_met" if facts["target"]["met"] else "target_missed")


def _proven(facts: Facts) -> tuple[int, int]:
    return sum(one["holds"] for one in facts["proofs"]), len(facts["proofs"])


def _losses(facts: Facts) -> tuple[float, float] | None:
    """The first and the last loss of the training."""
    losses = facts["training"]["losses"] if facts["training"] else []
    return (losses[0][1], losses[-1][1]) if losses else None


def figures(facts: Facts, words: Words) -> list[Figure]:
    """The figures below the sentence; nothing for what was not measured."""
    return list(_figures(facts, words))


def _figures(facts: Facts, words: Words) -> Iterable[Figure]:
    say = words.say
    checks = outcome(facts["verdicts"])
    notes = (_of_base(facts["base_verdicts"], words), _not_judged(checks, words))
    if checks.cases:
        note = ", ".join(filter(None, notes))
        yield _share(say("checks"), checks.passed, checks.judged, note)
    if (told := facts["sampled"]) and told["judged"]:
        share, least = told["passed"] / told["judged"], told["required"]
        note = f"{share:.1%} ≥ {least:.1%}" if not _too_few(facts) else f"{share:.1%} < {least:.1%}"
        state = BAD if _too_few(facts) else GOOD
        value, note = f"{told['passed']} / {told['judged']}", f"{note}; {told['sampling']}"
        yield Figure(say("sampled"), value, note, share, state)
    good, asked = _counts(facts["paraphrases"])
    if asked:
        low, high = wilson(good, asked)
        note = f"{good / asked:.0%} [{low:.0%}, {high:.0%}]"
        yield Figure(say("paraphrases"), f"{good} / {asked}", note, good / asked)
    good, asked = _counts(facts["general"])
    if asked:
        note = _of_base(facts["general_base"], words)
        yield Figure(say("general"), f"{good} / {asked}", note, good / asked)
    holds, made = _proven(facts)
    if made:
        yield _share(say("proofs"), holds, made)
    if (ends := _losses(facts)) is not None:
        yield Figure(say("loss"), f"{ends[0]:.3g} → {ends[1]:.3g}")
    if facts["target"]:
        met = facts["target"]["met"]
        yield Figure(say("target"), say("met" if met else "missed"), state=GOOD if met else BAD)
    if seconds := sum(one["seconds"] for one in facts["runs"]):
        yield Figure(say("time"), words.duration(seconds))


def _of_base(verdicts: Sequence[VerdictFacts], words: Words) -> str:
    good, asked = _counts(verdicts)
    return f"{words.say('base_checks')} {good}/{asked}" if asked else ""


def _counts(verdicts: Sequence[VerdictFacts]) -> tuple[int, int]:
    found = outcome(verdicts)
    return found.passed, found.judged


def _not_judged(checks: Outcome, words: Words) -> str:
    return f"{words.say('not_judged')} {checks.not_judged}" if checks.not_judged else ""


def _share(name: str, good: int, of: int, note: str = "") -> Figure:
    """`good` of `of`; of none, none is good."""
    return Figure(name, f"{good} / {of}", note, good / max(of, 1), GOOD if of and good == of else BAD)
