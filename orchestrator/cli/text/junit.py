r"""A verification as JUnit XML, for a CI: one suite, a test for each of the recipe's checks.

The paraphrases are no tests, for they never make a verification fail; their rate is a property of the suite.
What XML 1.0 cannot hold (control characters, lone surrogates) is shown as an escape such as \x1b.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import Problem, UsageError

if TYPE_CHECKING:
    from orchestrator.execute.host.output_file import OutputFile
    from orchestrator.execute.inference.verification import Verification
    from orchestrator.results import Verdict

_NO_XML = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = 120


def junit_xml(result: Verification, *, recipe: str, model: str) -> str:
    """The document, which ends in a newline.

    Args:
        result: what was asked and judged; a case that was not run is a skipped test.
        recipe: the suite's name.
        model: of the server, a property of the suite.
    """
    from orchestrator.results import passed_of

    cases: dict[str, list[Verdict]] = {}
    for verdict in result.verdicts:
        cases.setdefault(verdict.case, []).append(verdict)
    good, asked = passed_of(result.verdicts)
    held_out = passed_of(result.paraphrases)
    left = [case for case in result.left if not case.id.startswith("paraphrases")]
    why = f"not run: {result.error.problems[0].what}" if result.error else "not run"
    counts = f'tests="{asked + len(left)}" failures="{asked - good}" errors="0" skipped="{len(left)}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites {counts}>",
        f'<testsuite name="{_said(recipe)}" {counts}>',
        "<properties>",
        f'<property name="model" value="{_said(model)}"/>',
        f'<property name="paraphrases" value="{held_out[0]} of {held_out[1]}"/>',
        "</properties>",
        *(line for judged in cases.values() for line in _test(recipe, judged)),
    ]
    for case in left:
        lines.append(_opening(recipe, case.id, " → ".join(case.ask)))
        lines.append(f'<skipped message="{_said(why)}"/></testcase>')
    return "\n".join([*lines, "</testsuite>", "</testsuites>", ""])


def failure_parts(verdict: Verdict) -> dict[str, str]:
    """What a person needs to know of a check that did not pass: question, answer, expected and the reason."""
    parts = {
        "question": verdict.question,
        "answer": verdict.answer or "(none)",
        "expected": verdict.expected,
        "reason": verdict.reason,
    }
    return {name: text for name, text in parts.items() if text}


def open_junit(path: Path) -> OutputFile:
    """The file, begun before anything is asked; it appears under its name when it is finished.

    Raises:
        UsageError: a folder or a device is there. MissingError: its folder cannot be written to.
    """
    from orchestrator.execute.host.output_file import OutputFile

    if path.exists() and not path.is_file():
        raise UsageError(Problem("is no file", str(path), "name a file with --junit"))
    return OutputFile.create(path, force=True)


def _test(recipe: str, judged: Sequence[Verdict]) -> Iterable[str]:
    failed = [verdict for verdict in judged if not verdict.passed]
    opening = _opening(recipe, judged[0].case, judged[0].question)
    if not failed:
        yield f"{opening}</testcase>"
        return
    yield opening
    message = "; ".join(f"{verdict.check}: {verdict.reason}" for verdict in failed)
    text = "\n\n".join(_told(verdict) for verdict in failed)
    yield f'<failure type="{_said(failed[0].check)}" message="{_said(message)}">{_said(text, inside=True)}'
    yield "</failure></testcase>"


def _told(verdict: Verdict) -> str:
    parts = failure_parts(verdict).items()
    return "\n".join([f"check     {verdict.check}", *(f"{name:<9} {text}" for name, text in parts)])


def _opening(recipe: str, case: str, question: str) -> str:
    shown = " ".join(question.split())
    shown = shown if len(shown) <= _NAME else f"{shown[:_NAME]}…"
    return f'<testcase classname="{_said(f"conch.{recipe}")}" name="{_said(f"{case} {shown}")}">'


def _said(text: str, *, inside: bool = False) -> str:
    """A text as an attribute's value; `inside` an element its lines stay lines."""
    shown = _NO_XML.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    escaped = html.escape(shown)
    return escaped if inside else escaped.replace("\n", "&#10;").replace("\t", "&#9;")
