"""The report of a run as a model card: Markdown behind YAML that model hubs read. Pure: report.json in.

What a model said is fenced or escaped, never Markdown of its own; the YAML holds what hubs know the keys of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from orchestrator.html.markdown import cell, fenced, table
from orchestrator.html.run_page import CaseRow, cases_of, plain
from orchestrator.html.verdict import figures, passed, sentence
from orchestrator.html.words import Say, proof_words, speaker

MOST_ROWS = 200
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_CHINESE, _ENGLISH = "Chinese", "English"


def model_card(told: Mapping[str, Any], *, picture: str = "") -> str:
    """The whole card.

    Args:
        told: report.json.
        picture: where the trainer's own picture of the loss lies, seen from the card; "" for none.
    """
    say = speaker(told["language"])
    lines = ["---", front_matter(told).rstrip(), "---", "", f"# {cell(told['recipe'])}", ""]
    if told["stand_in"]:
        lines += [f"> {say('stand_in')}", ""]
    lines += [cell(sentence(told, say)), ""]
    lines += [
        f"- {one.name}{say('colon')}{cell(one.value)} {cell(one.note)}".rstrip() for one in figures(told, say)
    ]
    for title, part in (
        ("target", _target(told, say)),
        ("proofs", _proofs(told, say)),
        ("before_after", _cases(cases_of(told), say)),
        ("checks", _checks(told["verdicts"], say)),
        ("paraphrases", _paraphrases(told, say)),
        ("metrics", _metrics(told, say)),
        ("loss", _loss(told, say, picture)),
        ("data", _data(told, say)),
        ("hardware", _hardware(told, say)),
        ("serve", _call(told, say)),
        ("versions", _versions(told)),
    ):
        found = list(part)
        if found:
            lines += ["", f"## {say(title)}", "", *found]
    return "\n".join(lines).rstrip() + "\n"


def front_matter(told: Mapping[str, Any]) -> str:
    """The YAML: base_model, language, tags, license where they are known, and what was measured."""
    base = told["base"]
    hub_name = next((base[key] for key in ("asked_for", "name") if _HUB_NAME.fullmatch(base[key])), "")
    spoken = {name for one in told["data"] for name in one["languages"]}
    languages = [
        code
        for code, word in (("zh", _CHINESE), ("en", _ENGLISH))
        if any(name.startswith(word) for name in spoken)
    ]
    values = {
        "base_model": hub_name if base["source"] != "local" and not hub_name.startswith(".") else "",
        "license": base["licence"].lower(),
        "language": languages,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["conch", "llama-factory", "fine-tuned"],
        "model-index": _index(told),
    }
    return yaml.safe_dump(
        {key: one for key, one in values.items() if one}, allow_unicode=True, sort_keys=False
    )


def _index(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was measured, in the shape that hubs show beside a model."""
    task = {"type": "text-generation"}
    results: list[dict[str, Any]] = []
    good, asked = passed(told, "verdicts")
    if asked:
        value = {"type": "accuracy", "name": "checks passed", "value": round(good / asked, 4)}
        results.append({"task": task, "dataset": {"name": "checks", "type": "checks"}, "metrics": [value]})
    for split, systems in told["evaluations"].items():
        if "tuned" in systems:
            metrics = [
                {"type": name, "value": one["mean"]} for name, one in systems["tuned"]["metrics"].items()
            ]
            results.append(
                {"task": dict(task), "dataset": {"name": split, "type": split}, "metrics": metrics}
            )
    return [{"name": told["model"], "results": results}] if results else []


def _target(told: Mapping[str, Any], say: Say) -> Iterable[str]:
    for part in (told["target"] or {}).get("parts") or ():
        word = say("met" if part.get("met") else "missed")
        name, sentence_of_it = (cell(str(part.get(key, ""))) for key in ("name", "sentence"))
        yield f"- **{name}** {word}{say('colon')}{sentence_of_it}"


def _proofs(told: Mapping[str, Any], say: Say) -> Iterable[str]:
    """Each proof with its numbers, what it covered and what not; and those that were not made."""
    colon = say("colon")
    for one in told["proofs"]:
        word = say("holds") if one["holds"] else say("accepted" if one["accepted"] else "refuted")
        claim = proof_words(one["name"], told["language"])
        yield f"- **{cell(one['name'])}** {word}" + (colon + claim if claim else "")
        numbers = ", ".join(f"{name} {value:g}" for name, value in one["numbers"].items() if value)
        hint = "" if one["holds"] else one["hint"]
        for key, text in (
            ("detail", one["detail"]),
            ("covered", one["covered"]),
            ("not_covered", one["not_covered"]),
            ("numbers", numbers),
            ("hint", hint),
        ):
            if text:
                yield f"  - {say(key)}{colon}{cell(text)}"
    if told["not_proven"]:
        yield f"- {say('not_proven')}{colon}{cell(', '.join(told['not_proven']))}"


def _cases(cases: Sequence[CaseRow], say: Say) -> Iterable[str]:
    if not cases:
        return
    asked = any(one.before is not None for one in cases)
    heads = ["question", *(["base", "verdict"] if asked else []), "tuned", "verdict"]
    rows = [
        [
            one.question,
            *(
                [one.before or "", _word(one.before_passed, say) if one.before is not None else ""]
                if asked
                else []
            ),
            one.after,
            _word(one.passed, say),
        ]
        for one in cases[:MOST_ROWS]
    ]
    yield from table([say(name) for name in heads], rows)
    if len(cases) > MOST_ROWS:
        yield from ("", say("more_cases", count=len(cases) - MOST_ROWS))


def _word(good: bool, say: Say) -> str:  # noqa: FBT001
    return say("passed" if good else "not_passed")


def _checks(verdicts: Sequence[Mapping[str, Any]], say: Say) -> Iterable[str]:
    """Those that failed, with their reasons."""
    failed = [one for one in verdicts if not one["passed"]]
    if verdicts and not failed:
        yield say("all_passed")
    if failed:
        heads = [say(name) for name in ("question", "check", "expected", "answer", "reason")]
        rows = (
            [one[key] for key in ("question", "check", "expected", "answer", "reason")]
            for one in failed[:MOST_ROWS]
        )
        yield from table(heads, rows)


def _paraphrases(told: Mapping[str, Any], say: Say) -> Iterable[str]:
    good, asked = passed(told, "paraphrases")
    if asked:
        yield from (say("paraphrases_said", good=good, of=asked), "")
        yield from _cases(cases_of({**told, "verdicts": told["paraphrases"], "base_verdicts": []}), say)


def _metrics(told: Mapping[str, Any], say: Say) -> Iterable[str]:
    for split, systems in told["evaluations"].items():
        names = list(next(iter(systems.values()))["metrics"])
        heads = [f"{say('metric')} ({cell(split)})", *(cell(name) for name in systems)]
        rows = [[name, *(_interval(one["metrics"].get(name)) for one in systems.values())] for name in names]
        rows.append([say("perplexity"), *(_perplexity(one) for one in systems.values())])
        yield from table(heads, rows)
        yield from ("", say("intervals"), "")
    both = told["comparison"]
    if both:
        worse = ", ".join(both["worse"])
        yield f"{say('got_worse')}{say('colon')}{cell(worse)}" if worse else say("none_worse")


def _interval(one: Mapping[str, float] | None) -> str:
    return f"{one['mean']:.2f} [{one['low']:.2f}, {one['high']:.2f}]" if one else "–"


def _perplexity(one: Mapping[str, Any]) -> str:
    found = one["perplexity"]
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]" if found else "–"


def _loss(told: Mapping[str, Any], say: Say, picture: str) -> Iterable[str]:
    curve = told["curve"] or {}
    said = " ".join(str(curve[key]) for key in ("sentence", "advice") if curve.get(key))
    if said:
        yield from (cell(said), "")
    if picture:
        yield f"![{say('loss')}]({picture})"


def _data(told: Mapping[str, Any], say: Say) -> Iterable[str]:
    if told["data"]:
        heads = [say(name) for name in ("data_set", "part", "rows", "answers", "tokens", "languages")]
        yield from table(heads, (_data_row(one) for one in told["data"]))


def _data_row(one: Mapping[str, Any]) -> list[str]:
    tokens = one["tokens"]
    spread = f"{tokens['percentiles']['50']} ({tokens['most']})" if tokens else "–"
    return [
        one["name"],
        one["part"],
        str(one["rows"]),
        str(one["answers"]),
        spread,
        ", ".join(one["languages"]),
    ]


def _hardware(told: Mapping[str, Any], say: Say) -> Iterable[str]:
    used = told["hardware"]
    if used:
        gpus = ", ".join(one["name"] for one in used.get("gpus", ())) or say("no_gpu")
        machine = ", ".join(str(used.get(key, "")) for key in ("profile", "machine"))
        yield f"- {say('machine')}{say('colon')}{cell(machine)}"
        yield f"- {say('cores')}{say('colon')}{plain(used.get('cores'))}; {plain(used.get('memory_gb'))} GB"
        yield f"- {say('gpu')}{say('colon')}{cell(gpus)}"


def _call(told: Mapping[str, Any], say: Say) -> Iterable[str]:
    yield from (say("serve_said"), "", *fenced(f"conch serve {told['recipe']}"), "")
    for title, snippet in told["call"].items():
        yield from (f"### {cell(title)}", "", *fenced(snippet), "")


def _versions(told: Mapping[str, Any]) -> Iterable[str]:
    conch = told["conch"]
    if conch:
        version, commit = (str(conch.get(key, "")) for key in ("version", "commit"))
        yield f"- Conch {cell(version)} {cell(commit[:12])}".rstrip()
    for name, one in told["environments"].items():
        yield f"- {cell(name)}: {cell(plain(one.get('packages', {})))}"
