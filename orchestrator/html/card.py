"""The report of a run as a model card: Markdown behind YAML that model hubs read. Pure: report.json in.

The model's answers are escaped, never Markdown of their own; the YAML has only keys that hubs know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import yaml

from orchestrator.html.facts import Facts
from orchestrator.html.markdown import cell, fenced
from orchestrator.html.markdown import table as markdown_table
from orchestrator.html.run_page import cases_of
from orchestrator.html.tables import (
    BEFORE_AND_AFTER,
    DATA,
    FAILURES,
    TUNED,
    CaseRow,
    Cell,
    Table,
    metrics_table,
    plain,
    table_of,
)
from orchestrator.html.verdict import figures, outcome, sentence
from orchestrator.html.words import Words
from orchestrator.results import in_language

MOST_ROWS = 200
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_CHINESE, _ENGLISH = "Chinese", "English"


def model_card(facts: Facts, *, picture: str = "") -> str:
    """The whole card.

    Args:
        facts: report.json.
        picture: the trainer's picture of the loss, relative to the card; "" for none.
    """
    facts = in_language(facts, facts["language"])
    words = Words(facts["language"])
    say = words.say
    lines = ["---", front_matter(facts).rstrip(), "---", "", f"# {cell(facts['recipe'])}", ""]
    if facts["stand_in"]:
        lines += [f"> {say('stand_in')}", ""]
    lines += [cell(sentence(facts, words)), ""]
    lines += [
        f"- {one.name}{say('colon')}{cell(one.value)} {cell(one.note)}".rstrip()
        for one in figures(facts, words)
    ]
    for title, part in (
        ("target", _target(facts, words)),
        ("proofs", _proofs(facts, words)),
        ("before_after", _cases(cases_of(facts), words)),
        ("checks", _checks(facts, words)),
        ("paraphrases", _paraphrases(facts, words)),
        ("metrics", _metrics(facts, words)),
        ("loss", _loss(facts, words, picture)),
        ("data", _data(facts, words)),
        ("hardware", _hardware(facts, words)),
        ("serve", _call(facts, words)),
        ("versions", _versions(facts)),
    ):
        found = list(part)
        if found:
            lines += ["", f"## {say(title)}", "", *found]
    return "\n".join(lines).rstrip() + "\n"


def front_matter(facts: Facts) -> str:
    """The YAML: base_model, language, tags and license if they are known, and the measured results."""
    base = facts["base"]
    hub_name = next((name for name in (base["asked_for"], base["name"]) if _HUB_NAME.fullmatch(name)), "")
    spoken = {name for one in facts["data"] for name in one["languages"]}
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
        "model-index": _index(facts),
    }
    return yaml.safe_dump(
        {key: one for key, one in values.items() if one}, allow_unicode=True, sort_keys=False
    )


def _index(facts: Facts) -> list[dict[str, object]]:
    """The results in the format that hubs show beside a model."""
    measured: list[tuple[str, list[dict[str, object]]]] = []
    asked = outcome(facts["verdicts"])
    if asked.judged:
        accuracy = round(asked.passed / asked.judged, 4)
        value = {"type": "accuracy", "name": "checks passed", "value": accuracy}
        measured.append(("checks", [value]))
    for split, systems in facts["evaluations"].items():
        if "tuned" in systems:
            metrics = systems["tuned"]["metrics"].items()
            measured.append((split, [{"type": name, "value": one["mean"]} for name, one in metrics]))
    results = [
        {
            "task": {"type": "text-generation"},
            "dataset": {"name": name, "type": name},
            "metrics": values,
        }
        for name, values in measured
    ]
    return [{"name": facts["model"], "results": results}] if results else []


def _table(table: Table, words: Words) -> Iterable[str]:
    """A table of the report in Markdown."""

    def text(one: Cell) -> str:
        if one.good is not None:
            return words.say("passed" if one.good else "not_passed")
        return f"{one.text} {one.note}".strip()

    return markdown_table([cell(head) for head, _ in table.heads], (map(text, row) for row in table.rows))


def _target(facts: Facts, words: Words) -> Iterable[str]:
    for part in facts["target"]["parts"] if facts["target"] else ():
        word = words.say("met" if part["met"] else "missed")
        name = cell(words.named(part["name"]))
        yield f"- **{name}** {word}{words.say('colon')}{cell(part['sentence'])}"


def _proofs(facts: Facts, words: Words) -> Iterable[str]:
    """Each proof with its numbers and what it covers; and the proofs that were not made."""
    say, colon = words.say, words.say("colon")
    for one in facts["proofs"]:
        word = say("holds") if one["holds"] else say("accepted" if one["accepted"] else "refuted")
        claim = words.claim(one["name"])
        yield f"- **{cell(one['name'])}** {word}" + (colon + claim if claim else "")
        numbers = ", ".join(f"{name} {value:g}" for name, value in one["numbers"].items() if value)
        for key, text in (
            ("detail", one["detail"]),
            ("covered", one["covered"]),
            ("not_covered", one["not_covered"]),
            ("numbers", numbers),
            ("hint", "" if one["holds"] else one["hint"]),
        ):
            if text:
                yield f"  - {say(key)}{colon}{cell(text)}"
    if facts["not_proven"]:
        yield f"- {say('not_proven')}{colon}{cell(', '.join(facts['not_proven']))}"


def _cases(cases: list[CaseRow], words: Words) -> Iterable[str]:
    if not cases:
        return
    columns = BEFORE_AND_AFTER if any(one.before is not None for one in cases) else TUNED
    yield from _table(table_of(columns, cases[:MOST_ROWS], words), words)
    if len(cases) > MOST_ROWS:
        yield from ("", words.say("more_cases", count=len(cases) - MOST_ROWS))


def _checks(facts: Facts, words: Words) -> Iterable[str]:
    """The failed checks with their reasons, and the questions that are not judged."""
    failed = [one for one in facts["verdicts"] if not one["passed"]]
    if failed:
        yield from _table(table_of(FAILURES, failed[:MOST_ROWS], words), words)
    elif outcome(facts["verdicts"]).judged:
        yield words.say("all_passed")


def _paraphrases(facts: Facts, words: Words) -> Iterable[str]:
    asked = outcome(facts["paraphrases"])
    if asked.cases:
        yield from (words.say("paraphrases_said", good=asked.passed, of=asked.judged), "")
        yield from _cases(cases_of({**facts, "verdicts": facts["paraphrases"], "base_verdicts": []}), words)


def _metrics(facts: Facts, words: Words) -> Iterable[str]:
    say = words.say
    for split, systems in facts["evaluations"].items():
        yield from (f"### {cell(say('split_rows', split=words.part(split)))}", "")
        yield from _table(metrics_table(systems, words), words)
        yield from ("", say("intervals"), "")
    if facts["comparison"]:
        worse = ", ".join(facts["comparison"]["worse"])
        yield f"{say('got_worse')}{say('colon')}{cell(worse)}" if worse else say("none_worse")


def _loss(facts: Facts, words: Words, picture: str) -> Iterable[str]:
    if curve := facts["curve"]:
        advice = words.say("advice") + curve["advice"] if curve["advice"] else ""
        yield from (cell(curve["sentence"] + words.say("end") + f" {advice}".rstrip()), "")
    if picture:
        yield f"![{words.say('loss')}]({picture})"


def _data(facts: Facts, words: Words) -> Iterable[str]:
    if facts["data"]:
        yield from _table(table_of(DATA, facts["data"], words), words)


def _hardware(facts: Facts, words: Words) -> Iterable[str]:
    say, used = words.say, facts["hardware"]
    if used:
        gpus = ", ".join(one["name"] for one in used.get("gpus", ())) or say("no_gpu")
        machine = ", ".join((used.get("profile", ""), used.get("machine", "")))
        yield f"- {say('machine')}{say('colon')}{cell(machine)}"
        yield f"- {say('cores')}{say('colon')}{plain(used.get('cores'))}; {plain(used.get('memory_gb'))} GB"
        yield f"- {say('gpu')}{say('colon')}{cell(gpus)}"
    if told := facts["network"].get("sentence"):
        yield f"- {say('network')}{say('colon')}{cell(str(told))}"


def _call(facts: Facts, words: Words) -> Iterable[str]:
    yield from (words.say("serve_said"), "", *fenced(f"conch serve {facts['recipe']}"), "")
    for title, snippet in facts["call"].items():
        yield from (f"### {cell(title)}", "", *fenced(snippet), "")


def _versions(facts: Facts) -> Iterable[str]:
    conch = facts["conch"]
    if conch:
        yield f"- Conch {cell(conch.get('version', ''))} {cell(conch.get('commit', '')[:12])}".rstrip()
    for name, one in facts["environments"].items():
        yield f"- {cell(name)}: {cell(plain(one.get('packages', {})))}"
