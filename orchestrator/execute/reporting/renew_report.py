"""`conch report`: the report of a run made anew, from all that lies in its folder now.

It replaces what the stage `report` wrote, in the same place, and notes the new hashes with that stage: what
an evaluation added is shown, and the next `conch run` still has nothing to do. A run that never came to that
stage gets its report as well, and nothing is noted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import BusyError, MissingError, Problem, UsageError
from orchestrator.execute.host import atomic_files
from orchestrator.execute.host.atomic_files import read_json
from orchestrator.execute.reporting.write_report import write_report
from orchestrator.execute.run_store.fingerprint import fingerprint
from orchestrator.execute.run_store.listing import Standing, latest, summary_of
from orchestrator.execute.run_store.manifest import MANIFEST
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold
from orchestrator.execute.runner.existing_run import read_plan
from orchestrator.plan.stage import partial
from orchestrator.plan.stages.report import CARD, REPORT
from orchestrator.results import StageResult, Status


@dataclass(frozen=True, slots=True)
class Renewed:
    """The run, and where its report lies: the page, the model card twice, the JSON."""

    run: Run
    html: Path
    markdown: Path
    json: Path
    card: Path


def renew_report(name: str, *, project: Path, language: str = "") -> Renewed:
    """Make the report of a run anew.

    Args:
        name: RECIPE/ID, RECIPE for its last run, "" for the last run of the project.
        project: the folder that holds runs/.
        language: "zh", "en", or "" for that of most of the questions.

    Raises:
        UsageError: there is no such run. BusyError: it is being worked on. StageFailed: the disk is full.
    """
    run = Run.open(project, name) if name else last_run(project)
    with _alone(run):
        settings = settings_of(run) | {"out": partial(REPORT), "card": partial(CARD), "language": language}
        _clear(run)
        try:
            write_report(settings, run.path)
            atomic_files.rename_outputs(run.path, (REPORT, CARD))
        except OSError as error:
            what = f"cannot be written: {error.strerror}"
            raise MissingError(Problem(what, str(run.path / REPORT), "free some space")) from None
        finally:
            _clear(run)
        _note(run)
    folder = run.path / REPORT
    return Renewed(run, folder / "report.html", folder / "report.md", folder / "report.json", run.path / CARD)


def last_run(project: Path) -> Run:
    """The newest run of the project, of whatever recipe.

    Raises:
        UsageError: there is none.
    """
    # What only holds answers for a comparison has no manifest.
    found = [run for run in latest(project) if (run.path / MANIFEST).is_file()]
    if not found:
        raise UsageError(Problem("there is no run yet", str(project / "runs"), "conch run RECIPE"))
    return max(found, key=lambda run: run.id)


def settings_of(run: Run) -> dict[str, Any]:
    """The recipe, the served name and whether the base is a stand-in, as the run's own plan has them."""
    plain = {"recipe": run.recipe, "model": run.recipe, "stand_in": False}
    try:
        tasks = {file.path: file.text for file in read_plan(run).stage("report").files}
        found = json.loads(tasks["tasks/write_report.json"])
    except (MissingError, KeyError, ValueError):
        found = read_json(run.path / "tasks/write_report.json") or {}
    return plain | {name: found[name] for name in plain if name in found}


@contextmanager
def _alone(run: Run) -> Iterator[None]:
    """Hold the recipe; where another of its runs is worked on (a sweep), this one is nobody else's."""
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(run.project, run.recipe))
        except BusyError:
            if summary_of(run).standing is Standing.RUNNING:
                hint = f"conch watch {run.name} shows it; type this again when it has ended"
                raise BusyError(Problem(f"{run.name} is being worked on", str(run.path), hint)) from None
        yield


def _clear(run: Run) -> None:
    """Half a report, of now or of a command that was killed, goes."""
    for output in (REPORT, CARD):
        atomic_files.remove(run.path / partial(output))


def _note(run: Run) -> None:
    """The stage's record with the hashes of what lies there now, under the key it was done for."""
    record = run.stage_record(REPORT)
    if record is not None:
        outputs = {name: fingerprint(run.path / name) for name in record.outputs}
        done = StageResult(REPORT, Status.DONE, "conch report", seconds=record.seconds, outputs=outputs)
        run.end_stage(done, record.key)
