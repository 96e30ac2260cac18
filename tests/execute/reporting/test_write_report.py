"""The report's files: the page, the card beside the export and in the folder, the JSON, the picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from orchestrator.execute.reporting.write_report import write_report
from orchestrator.plan.stages.report import ReportSettings
from tests.run_world import make_run, write

SETTINGS = ReportSettings(recipe="shells", model="conch", stand_in=False, out="report", card="README.md")


def test_all_files_say_the_same(tmp_path: Path) -> None:
    folder = make_run(tmp_path).path
    (folder / "adapter/training_loss.png").write_bytes(b"\x89PNG")
    assert write_report(SETTINGS, folder) == 0
    out = folder / "report"
    assert sorted(path.name for path in out.iterdir()) == [
        *("loss.png", "report.html", "report.json", "report.md"),
    ]
    told = json.loads((out / "report.json").read_text(encoding="utf-8"))
    verdict = "尚未达标：2 个问题答对 1 个"
    assert told["verdicts"][0]["question"] == "你是谁"
    assert verdict in (out / "report.html").read_text(encoding="utf-8")
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert verdict in markdown
    beside = (folder / "README.md").read_text(encoding="utf-8")
    assert beside == markdown.replace("(loss.png)", "(report/loss.png)") != markdown


def test_a_run_that_was_never_asked_has_a_report_too(tmp_path: Path) -> None:
    folder = tmp_path / "runs/shells/20260102-030405-aaaa"
    folder.mkdir(parents=True)
    assert write_report(replace(SETTINGS, language="zh"), folder) == 0
    assert "模型尚未被提问" in (folder / "report/report.md").read_text(encoding="utf-8")


def test_half_a_character_is_written_and_read_back(tmp_path: Path) -> None:
    folder = make_run(tmp_path).path
    verdicts = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))
    verdicts["verdicts"][0]["answer"] = "\ud83d"
    path = folder / "verdicts.json"
    write(path, {})
    path.write_text(json.dumps(verdicts), encoding="utf-8")
    assert write_report(SETTINGS, folder) == 0
    told = json.loads((folder / "report/report.json").read_text(encoding="utf-8"))
    assert told["verdicts"][0]["answer"] == "\ud83d"
    assert "\\ud83d" in (folder / "report/report.html").read_text(encoding="utf-8")
