r"""A verification as JUnit XML for CI: one suite, one test per case; one that is not judged is skipped.

The sampled answers are one test more: whether enough of them passed.

Paraphrases never fail a verification, so they are not tests; their rate is a property of the suite.
Characters that XML 1.0 cannot hold (control characters, lone surrogates) become escapes such as \x1b.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import Problem, UsageError
from orchestrator.outside import visible

if TYPE_CHECKING:
    from orchestrator.execute.host.output_file import OutputFile
    from orchestrator.execute.inference.verification import Verification
    from orchestrator.results import Verdict

_NO_XML = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = 120


def junit_xml(result: Verification, *, recipe: str, model: str) -> str:
    """The XML document, with a final newline.

    Args:
        result: the verification; a case that was not run is a skipped test.
        recipe: the suite's name.
        model: the served model, a property of the suite.
    """
    from orchestrator.results import Outcome, passed_of

    cases: dict[str, list[Verdict]] = {}
    for verdict in result.verdicts:
        cases.setdefault(verdict.case, []).append(verdict)
    outcome = Outcome.of(result.verdicts)
    held_out = passed_of(result.paraphrases)
    not_run = [case for case in result.left if not case.id.startswith("paraphrases")]
    why = f"not run: {result.error.problems[0].what}" if result.error else "not run"
    tests, skipped = len(outcome.cases) + len(not_run), outcome.not_judged + len(not_run)
    failures = outcome.judged - outcome.passed
    sampled = result.sampled
    if sampled:
        tests, failures = tests + 1, failures + sampled.fails
    counts = f'tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites {counts}>",
        f'<testsuite name="{_escaped(recipe)}" {counts}>',
        "<properties>",
        f'<property name="model" value="{_escaped(model)}"/>',
        f'<property name="paraphrases" value="{held_out[0]} of {held_out[1]}"/>',
        "</properties>",
        *(line for judged in cases.values() for line in _test(recipe, judged)),
    ]
    if sampled:
        failure = f'<failure message="{_escaped(sampled.words)}"/>' if sampled.fails else ""
        lines.append(f"{_opening(recipe, 'sampled', sampled.words)}{failure}</testcase>")
    for case in not_run:
        lines.append(_opening(recipe, case.id, " → ".join(case.ask)))
        lines.append(f'<skipped message="{_escaped(why)}"/></testcase>')
    return "\n".join([*lines, "</testsuite>", "</testsuites>", ""])


def failure_parts(verdict: Verdict) -> dict[str, str]:
    """What to show of a failed check: question, answer, expected and reason."""
    parts = {
        "question": verdict.question,
        "answer": verdict.answer or "(none)",
        "expected": verdict.expected,
        "reason": verdict.reason,
    }
    return {name: text for name, text in parts.items() if text}


def open_junit(path: Path) -> OutputFile:
    """Open the file before any question is asked; it appears under its name when it is complete.

    Raises:
        UsageError: the path is a folder or a device. MissingError: its folder is not writable.
    """
    from orchestrator.execute.host.output_file import OutputFile

    if path.exists() and not path.is_file():
        raise UsageError(Problem("is not a regular file", str(path), "name a file with --junit"))
    return OutputFile.create(path, force=True)


def _test(recipe: str, judged: Sequence[Verdict]) -> Iterable[str]:
    failed = [verdict for verdict in judged if verdict.passed is False]
    opening = _opening(recipe, judged[0].case, judged[0].question)
    if not failed:
        open_one = next((verdict for verdict in judged if verdict.passed is None), None)
        skipped = f'<skipped message="{_escaped(open_one.reason)}"/>' if open_one else ""
        yield f"{opening}{skipped}</testcase>"
        return
    yield opening
    message = "; ".join(f"{verdict.check}: {verdict.reason}" for verdict in failed)
    text = "\n\n".join(_details(verdict) for verdict in failed)
    attributes = f'type="{_escaped(failed[0].check)}" message="{_escaped(message)}"'
    yield f"<failure {attributes}>{_escaped(text, inside=True)}"
    yield "</failure></testcase>"


def _details(verdict: Verdict) -> str:
    parts = failure_parts(verdict).items()
    return "\n".join([f"check     {verdict.check}", *(f"{name:<9} {text}" for name, text in parts)])


def _opening(recipe: str, case: str, question: str) -> str:
    shown = " ".join(question.split())
    shown = shown if len(shown) <= _NAME else f"{shown[:_NAME]}…"
    return f'<testcase classname="{_escaped(f"conch.{recipe}")}" name="{_escaped(f"{case} {shown}")}">'


def _escaped(text: str, *, inside: bool = False) -> str:
    """The text as an attribute value; `inside` an element, newlines stay newlines."""
    shown = _NO_XML.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), visible(text))
    escaped = html.escape(shown)
    return escaped if inside else escaped.replace("\n", "&#10;").replace("\t", "&#9;")
