"""write_report: the run as report.json and report.md, with the picture of the loss beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.dialects import clients
from orchestrator.execute.reports import read_report
from orchestrator.proofs import PROOFS
from orchestrator.report import Proof, Report, Verdict, passed_of

PICTURE = "training_loss.png"


def write_report(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the report folder.

    Settings:
        recipe, model: names; stand_in: whether the base is the embedded one; out: the folder to write.
    """
    out = folder / settings["out"]
    out.mkdir(exist_ok=True)
    report = read_report(folder, recipe=settings["recipe"])
    text = json.dumps(report.to_json(), ensure_ascii=False, indent=2)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    picture = folder / "adapter" / PICTURE
    if picture.is_file():
        shutil.copyfile(picture, out / "loss.png")
    (out / "report.md").write_text(markdown(report, settings, picture=picture.is_file()), encoding="utf-8")
    return 0


def markdown(report: Report, settings: Mapping[str, Any], *, picture: bool) -> str:
    """The report for a person. What a model said is fenced or escaped, never Markdown of its own."""
    lines = [f"# {report.recipe}", ""]
    if settings["stand_in"]:
        lines += [
            "> Trained on the embedded stand-in base: it shows the path, not a DeepSeek model's answers.",
            "",
        ]
    lines += ["## Proofs", "", *_proofs(report.proofs)]
    lines += ["", "## Checks", "", *_table(report.verdicts, report.base_verdicts)]
    good, asked = passed_of(report.paraphrases)
    if asked:
        lines += [
            "",
            f"Held-out paraphrases answered right: {good} of {asked}.",
            "",
            *_table(report.paraphrases, ()),
        ]
    if picture:
        lines += ["", "## Loss", "", "![training loss](loss.png)"]
    lines += ["", "## Call it", "", f"Serve it with `conch serve {report.recipe}`, then:", ""]
    question = report.verdicts[0].question if report.verdicts else "你好"
    for title, snippet in clients.all_snippets(clients.DEFAULT_URL, settings["model"], question).items():
        lines += [f"### {title}", "", *fenced(snippet), ""]
    return "\n".join(lines).rstrip() + "\n"


def _proofs(proofs: Sequence[Proof]) -> Iterable[str]:
    """Each proof with its numbers, what it covered and what not; and those that were not made."""
    for proof in proofs:
        refuted = "does not hold, accepted by name" if proof.accepted else "DOES NOT HOLD"
        detail = f": {cell(proof.detail)}" if proof.detail else ""
        yield f"- **{proof.name}** {'holds' if proof.holds else refuted}{detail}"
        yield f"  - covered: {cell(proof.covered)}"
        if proof.not_covered:
            yield f"  - not covered: {cell(proof.not_covered)}"
        numbers = ", ".join(f"{name} {value:g}" for name, value in proof.numbers.items() if value)
        if numbers:
            yield f"  - numbers: {cell(numbers)}"
        if proof.mend and not proof.holds:
            yield f"  - to mend it: {cell(proof.mend)}"
    left = [name for name in PROOFS if name not in {proof.name for proof in proofs}]
    if left:
        yield f"- not proven: {', '.join(left)}"


def fenced(text: str) -> list[str]:
    """A code block whose fence is longer than any run of backticks in the text."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, text, fence]


def cell(text: str) -> str:
    """Text within a line of Markdown, or within a cell of a table: one line, shown as it is."""
    line = " ".join(text.split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
    safe = "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|~" else c for c in shown)
    return safe.replace("&", "&amp;")


def _table(verdicts: Sequence[Verdict], base: Sequence[Verdict]) -> Iterable[str]:
    untouched = {(verdict.case, verdict.check): verdict for verdict in base}
    yield "| question | check | answer | verdict |" + (" untouched base | |" if base else "")
    yield "|---|---|---|---|" + ("---|---|" if base else "")
    for verdict in verdicts:
        columns = [verdict.question, verdict.check, verdict.answer, "passed" if verdict.passed else "FAILED"]
        before = untouched.get((verdict.case, verdict.check))
        if before is not None:
            columns += [before.answer, "passed" if before.passed else "failed"]
        elif base:
            columns += ["", ""]
        yield "| " + " | ".join(cell(column) for column in columns) + " |"
