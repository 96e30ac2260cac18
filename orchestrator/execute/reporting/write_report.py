"""The report of a run: the task `write_report`, and `conch report`, which renews it.

report/ holds report.html, report.md, report.json and loss.png; README.md beside the export is the same card.
`conch report` replaces them with what the run folder holds now, for example after an evaluation, and records
the new hashes with the stage, so that the next `conch run` has nothing to do. A run that did not reach the
stage gets its report too, without a record.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import BusyError, MissingError, Problem, StageFailed, UsageError
from orchestrator.execute.host import atomic_files
from orchestrator.execute.host.file_lock import exclusive
from orchestrator.execute.reporting.run_facts import read_facts
from orchestrator.execute.run_store.fingerprint import fingerprint
from orchestrator.execute.run_store.listing import Standing, latest, summary_of
from orchestrator.execute.run_store.manifest import MANIFEST
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold_briefly
from orchestrator.execute.runner.existing_run import read_plan
from orchestrator.execute.runner.task import typed
from orchestrator.html.card import model_card
from orchestrator.html.run_page import run_page
from orchestrator.outside import json_text
from orchestrator.plan.stage import partial
from orchestrator.plan.stages.report import CARD, REPORT, ReportSettings
from orchestrator.results import StageResult, Status

PICTURE = "training_loss.png"
# Where `conch report` writes, until it is complete.
DRAFT = ".report"


@dataclass(frozen=True, slots=True)
class RenewedReport:
    """The run, and its report: the page, the model card twice, the JSON."""

    run: Run
    html: Path
    markdown: Path
    json: Path
    card: Path


def write_report(settings: ReportSettings, folder: Path) -> int:
    """Write the report folder and the card."""
    out = folder / settings.out
    out.mkdir(exist_ok=True)
    facts = read_facts(
        folder,
        recipe=settings.recipe,
        model=settings.model,
        stand_in=settings.stand_in,
        language=settings.language,
    )
    picture = folder / "adapter" / PICTURE
    if picture.is_file():
        shutil.copyfile(picture, out / "loss.png")
    name = "loss.png" if picture.is_file() else ""
    _write(out / "report.json", json_text(facts, indent=2) + "\n")
    _write(out / "report.html", run_page(facts))
    _write(out / "report.md", model_card(facts, picture=name))
    _write(folder / settings.card, model_card(facts, picture=name and f"report/{name}"))
    return 0


def _write(path: Path, text: str) -> None:
    """A lone surrogate is written as its escape, which JSON reads back."""
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def renew_report(name: str, *, project: Path, language: str = "") -> RenewedReport:
    """Write the report of a run again.

    Args:
        name: RECIPE/ID, RECIPE for its latest run, "" for the latest run of the project.
        project: the folder that contains runs/.
        language: "zh", "en", or "" for the language of most questions.

    Raises:
        UsageError: there is no such run. BusyError: it is running. MissingError: the disk is full.
    """
    run = Run.open(project, name) if name else last_run(project)
    out, card = f"{DRAFT}/{REPORT}", f"{DRAFT}/{CARD}"
    settings = replace(settings_of(run), language=language, out=out, card=card)
    with exclusive(run.path / f"{DRAFT}.lock", lambda: _in_writing(run), is_held=lambda: False):
        try:
            while not _renew(run, settings):
                pass
        except OSError as error:
            what = f"cannot be written: {error.strerror}"
            raise MissingError(Problem(what, str(run.path / REPORT), "free some space")) from None
        finally:
            atomic_files.remove(run.path / DRAFT)
    folder = run.path / REPORT
    files = (folder / "report.html", folder / "report.md", folder / "report.json", run.path / CARD)
    return RenewedReport(run, *files)


def last_run(project: Path) -> Run:
    """The latest run of the project, of any recipe.

    Raises:
        UsageError: there is none.
    """
    # A folder that only holds answers for a comparison has no manifest.
    found = [run for run in latest(project) if (run.path / MANIFEST).is_file()]
    if not found:
        raise UsageError(Problem("there is no run yet", str(project / "runs"), "conch run RECIPE"))
    return max(found, key=lambda run: run.id)


def settings_of(run: Run) -> ReportSettings:
    """The settings of the stage in the run's plan, or in its folder; else the recipe's name for the model."""
    path = "tasks/write_report.json"
    try:
        files = {file.path: file.text for file in read_plan(run).stage("report").files}
        found: ReportSettings = typed(write_report, json.loads(files[path]))
    except (MissingError, StageFailed, KeyError, ValueError):
        stored = atomic_files.read_json(run.path / path) or {}
    else:
        return found
    return ReportSettings(
        recipe=stored.get("recipe", run.recipe),
        model=stored.get("model", run.recipe),
        stand_in=stored.get("stand_in", False),
        out=partial(REPORT),
        card=partial(CARD),
    )


def _renew(run: Run, settings: ReportSettings) -> bool:
    """Write a draft, and publish it unless the run has changed meanwhile: only that needs a lock."""
    before = sum(1 for _ in run.events())
    atomic_files.remove(run.path / DRAFT)
    (run.path / DRAFT).mkdir(mode=0o700)
    write_report(settings, run.path)
    with _alone(run):
        if sum(1 for _ in run.events()) != before:
            return False
        for draft, output in ((settings.out, REPORT), (settings.card, CARD)):
            atomic_files.remove(run.path / partial(output))
            (run.path / draft).rename(run.path / partial(output))
        atomic_files.rename_outputs(run.path, (REPORT, CARD))
        _record(run)
        return True


def _in_writing(run: Run) -> BusyError:
    return BusyError(Problem("another process writes this report", str(run.path), "run this again later"))


@contextmanager
def _alone(run: Run) -> Iterator[None]:
    """Hold the recipe for a moment; while another of its runs is running (a sweep), this one is free, too."""
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_briefly(run.project, run.recipe))
        except BusyError:
            if summary_of(run).standing is Standing.RUNNING:
                hint = f"watch it: conch watch {run.name}; then run this again"
                raise BusyError(Problem(f"{run.name} is running", str(run.path), hint)) from None
        yield


def _record(run: Run) -> None:
    """Update the stage's record with the hashes of the new files, under its key."""
    record = run.stage_record(REPORT)
    if record is not None:
        outputs = {name: fingerprint(run.path / name) for name in record.outputs}
        done = StageResult(REPORT, Status.DONE, "conch report", seconds=record.seconds, outputs=outputs)
        run.end_stage(done, record.key)
