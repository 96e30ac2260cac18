"""`conch report`: made anew in its place, nothing left to do for a run, shown where there is a screen."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.execute.host import atomic_files, file_lock
from orchestrator.execute.processes import process_tree
from orchestrator.execute.reporting import write_report
from orchestrator.execute.reporting.write_report import renew_report
from orchestrator.execute.run_store import run_lock
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.loop import Loop
from orchestrator.plan.stage import Plan, Stage, partial
from orchestrator.plan.stages.base import task
from orchestrator.plan.stages.report import CARD, REPORT, ReportSettings
from orchestrator.results import StageResult, Status
from tests.execute.runner.test_loop import Heard
from tests.run_world import make_run

SETTINGS = ReportSettings(
    recipe="shells",
    model="conch",
    stand_in=True,
    out=partial(REPORT),
    card=partial(CARD),
)


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished run; the working folder is its project."""
    monkeypatch.chdir(project)
    return make_run(project)


def reported(run: Run) -> StageResult:
    """The stage `report` as `conch run` does it."""
    file, command = task("write_report", SETTINGS)
    stage = Stage("report", (command,), ("verdicts.json", "adapter"), (file,), (REPORT, CARD))
    symbols = {"conch": sys.prefix, "project": str(run.project)}
    run_tag = process_tree.new_run_tag(run.project, run.path)
    (done,) = Loop(Plan("shells", "h", (stage,)), run, symbols, {}, Heard(), run_tag).perform()
    return done


def test_it_says_where_it_lies(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["report", "shells", "--json", "--language", "en"]) == 0
    told = json.loads(capsys.readouterr().out)
    data = told["data"]
    assert (told["ok"], data["run"]) == (True, run.name)
    assert data["html"] == str(run.path / "report/report.html")
    assert '<html lang="en">' in Path(data["html"]).read_text(encoding="utf-8")
    assert Path(data["markdown"]).read_text(encoding="utf-8").startswith("---\n")
    assert json.loads(Path(data["json"]).read_text(encoding="utf-8"))["run"] == run.name
    assert Path(data["card"]) == run.path / "README.md"
    assert Path(data["card"]).is_file()
    assert not (run.path / "export").exists()
    assert main.run(["report"]) == 0
    assert f"page     {run.path}/report/report.html" in capsys.readouterr().out


def test_after_it_a_run_has_nothing_to_do(run: Run) -> None:
    assert reported(run).status is Status.DONE
    first = (run.path / "report/report.html").read_text(encoding="utf-8")
    assert "OpenAI" in first
    (run.path / "target.json").write_text('{"met": true, "parts": []}', encoding="utf-8")
    renew_report("shells", project=run.project)
    again = (run.path / "report/report.html").read_text(encoding="utf-8")
    assert "目标已达到" in again
    assert "目标已达到" not in first
    assert "替身" in again  # as the stage was told
    assert reported(run).status is Status.SKIPPED


def test_the_last_run_of_the_project_is_the_default(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    newer = make_run(run.project, "aaa", now=datetime(2027, 1, 1, tzinfo=UTC))
    assert main.run(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["run"] == newer.name


def test_no_run_and_an_unknown_one_are_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main.run(["report"]) == 2
    assert "there is no run yet" in capsys.readouterr().err
    make_run(project)
    assert main.run(["report", "shells/20200101-000000-aaaa"]) == 2
    assert main.run(["report", "--language", "fr"]) == 2
    assert "there is no run shells/20200101-000000-aaaa" in capsys.readouterr().err


def test_a_run_that_is_worked_on_is_left_alone_and_its_siblings_are_not(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_run(run.project, now=datetime(2027, 1, 1, tzinfo=UTC))
    with run_lock.hold(run.project, "shells"):
        other.begin("another trial")
        assert main.run(["report", other.name]) == 6
        said = capsys.readouterr().err
        assert "is running" in said
        assert f"conch watch {other.name}" in said
        assert not (other.path / "report").exists()
        assert main.run(["report", run.name]) == 0


def test_a_full_disk_leaves_the_old_report(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main.run(["report"]) == 0
    before = (run.path / "report/report.html").read_bytes()

    def full(settings: ReportSettings, folder: Path) -> int:
        (folder / settings.out).mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orchestrator.execute.reporting.write_report.write_report", full)
    assert main.run(["report"]) == 3
    assert (run.path / "report/report.html").read_bytes() == before
    assert not list(run.path.glob(".report"))


def test_it_is_opened_in_the_browser(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main.run(["report", "--open"]) == 0
    assert opened == [(run.path / "report/report.html").as_uri()]
    assert "no browser is available here; open " in capsys.readouterr().err
    monkeypatch.setattr("webbrowser.open", lambda _: True)
    assert main.run(["report", "--open"]) == 0
    assert "no browser" not in capsys.readouterr().err


def test_fault_121_a_report_holds_up_no_start(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is written, a start succeeds at once; while it is published, a start waits for it."""
    real, waited = write_report.write_report, list[float]()

    def writing(settings: ReportSettings, folder: Path) -> int:
        monkeypatch.setattr(file_lock, "PATIENCE", 0)
        with run_lock.hold(run.project, run.recipe):
            pass
        monkeypatch.setattr(file_lock, "PATIENCE", 10)
        return real(settings, folder)

    def publishing(folder: Path, outputs: Sequence[str]) -> None:
        thread.start()
        thread.join(0.1)
        assert thread.is_alive(), "it waits"
        rename_outputs(folder, outputs)

    def start() -> None:
        with run_lock.hold(run.project, run.recipe):
            waited.append(time.monotonic())

    thread = threading.Thread(target=start)
    rename_outputs = atomic_files.rename_outputs
    monkeypatch.setattr(write_report, "write_report", writing)
    monkeypatch.setattr(atomic_files, "rename_outputs", publishing)
    assert main.run(["report"]) == 0
    thread.join()
    assert waited


def test_a_report_of_a_run_that_went_on_meanwhile_is_written_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = write_report.write_report, list[Path]()

    def writing(settings: ReportSettings, folder: Path) -> int:
        written.append(folder)
        if len(written) == 1:
            run.append_event({"event": "happened"})
        return real(settings, folder)

    monkeypatch.setattr(write_report, "write_report", writing)
    assert main.run(["report"]) == 0
    assert len(written) == 2
