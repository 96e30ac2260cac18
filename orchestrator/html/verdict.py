"""What the report of a run says first: one sentence, and a few figures. Pure: report.json's values in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.html.words import Say, duration
from orchestrator.metrics.interval import wilson
from orchestrator.results import Verdict, falls_short, passed_of

GOOD, BAD, OPEN = "good", "bad", "open"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name; `share` of a bar is from 0 to 1, None for no bar."""

    name: str
    value: str
    note: str = ""
    share: float | None = None
    state: str = OPEN


def passed(told: Mapping[str, Any], name: str) -> tuple[int, int]:
    """(cases with every verdict passed, cases) of "verdicts", "paraphrases", "base_verdicts" or "general"."""
    return passed_of([Verdict.from_json(one) for one in told.get(name, ())])


def proven(told: Mapping[str, Any]) -> tuple[int, int]:
    """(proofs that hold, proofs that were made)."""
    return sum(one["holds"] for one in told["proofs"]), len(told["proofs"])


def state_of(told: Mapping[str, Any]) -> str:
    """Whether the run is good, bad, or not judged."""
    failed = any(one["status"] == "failed" for one in told["runs"])
    refuted = any(not one["holds"] and not one["accepted"] for one in told["proofs"])
    good, asked = passed(told, "verdicts")
    if failed or refuted or falls_short(told["target"], failed=good < asked):
        return BAD
    return GOOD if asked else OPEN


def sentence(told: Mapping[str, Any], say: Say) -> str:
    """The verdict in one sentence."""
    parts = list(_parts(told, say))
    return say(state_of(told)) + say("colon") + say("and").join(parts) + say("end")


def _parts(told: Mapping[str, Any], say: Say) -> Iterable[str]:
    for one in told["runs"]:
        if one["status"] == "failed":
            yield say("failed_at", stage=one["stage"], reason=one["reason"])
    good, asked = passed(told, "verdicts")
    if asked:
        yield say("all_checks" if good == asked else "some_checks", good=good, of=asked)
    else:
        yield say("nothing_asked", recipe=told["recipe"])
    holds, made = proven(told)
    if made:
        yield say("all_proofs" if holds == made else "some_proofs", good=holds, of=made)
    if (ends := losses(told)) is not None:
        yield say("loss_fell", first=f"{ends[0]:.3g}", last=f"{ends[1]:.3g}")
    if told["target"]:
        yield say("target_met" if told["target"].get("met") else "target_missed")


def losses(told: Mapping[str, Any]) -> tuple[float, float] | None:
    """The first and the last loss of the training."""
    found = (told["training"] or {}).get("losses")
    return (found[0][1], found[-1][1]) if found else None


def figures(told: Mapping[str, Any], say: Say) -> list[Figure]:
    """The figures below the sentence; what was not measured has none."""
    found = []
    good, asked = passed(told, "verdicts")
    if asked:
        before, of = passed(told, "base_verdicts")
        note = f"{say('base_checks')} {before}/{of}" if of else ""
        found.append(_part(say("checks"), good, asked, note))
    good, asked = passed(told, "paraphrases")
    if asked:
        low, high = wilson(good, asked)
        note = f"{good / asked:.0%} [{low:.0%}, {high:.0%}]"
        found.append(Figure(say("paraphrases"), f"{good} / {asked}", note, good / asked))
    good, asked = passed(told, "general")
    if asked:
        before, of = passed(told, "general_base")
        note = f"{say('base_checks')} {before}/{of}" if of else ""
        found.append(Figure(say("general"), f"{good} / {asked}", note, good / asked))
    holds, made = proven(told)
    if made:
        found.append(_part(say("proofs"), holds, made))
    if (ends := losses(told)) is not None:
        found.append(Figure(say("loss"), f"{ends[0]:.3g} → {ends[1]:.3g}"))
    if told["target"]:
        met = bool(told["target"].get("met"))
        found.append(Figure(say("target"), say("met" if met else "missed"), state=GOOD if met else BAD))
    seconds = sum(one["seconds"] for one in told["runs"])
    if seconds:
        found.append(Figure(say("time"), duration(seconds, told["language"])))
    return found


def _part(name: str, good: int, of: int, note: str = "") -> Figure:
    return Figure(name, f"{good} / {of}", note, good / of, GOOD if good == of else BAD)
