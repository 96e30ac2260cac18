"""The benchmarks' own code: the script by hand does what a run did, and the ratios are of the right parts.

With fake engines; what they measure is measured by running them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks import overhead, time_to_answer
from benchmarks.by_hand import Measured, write_script
from orchestrator.execute.project import discovery
from orchestrator.plan.plan import build_plan
from tests.small_world import make_base

ROOT = Path(__file__).parents[1]
QUESTION = "请问你是谁"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What `conch run smoke` leaves, as far as the script by hand looks at it."""
    project = tmp_path / "project"
    for part in ("recipes", "dataset_info", "chat_templates"):
        shutil.copytree(ROOT / part, project / part)
    plan = build_plan(discovery.read_job("smoke", project=project, sets=(), hardware="cpu"))
    folder = project / "runs/smoke/20261123-080000-ab12"
    (folder / "inputs").mkdir(parents=True)
    make_base(tmp_path / "base")
    (folder / "inputs/base").symlink_to(tmp_path / "base")
    (folder / "data").mkdir()
    shutil.copy(ROOT / "dataset_info/data/smoke.jsonl", folder / "data/smoke.jsonl")
    info = {"smoke": {"file_name": "smoke.jsonl"}}
    (folder / "data/dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    (folder / "data/conversations.jsonl").touch()
    (folder / "plan.json").write_text(json.dumps(plan.to_json()), encoding="utf-8")
    asked = {"messages": [{"role": "user", "content": QUESTION}], "streamed": True}
    for name in [stage.outputs[0] for stage in plan.stages if stage.name.startswith("ask")]:
        (folder / name).write_text(
            json.dumps({"case": "checks[0]", "turns": [asked, asked]}) + "\n", encoding="utf-8"
        )
    return folder


def test_the_script_trains_exports_serves_and_asks(run: Path, tmp_path: Path, engines: Path) -> None:
    hand = tmp_path / "by hand"
    write_script(run, hand, {"train": str(engines), "serve": str(engines)})
    done = subprocess.run(
        ["bash", "by_hand.sh"], cwd=hand, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    for symbol in ("{train}", "{serve}", "{probes}", "{port}"):
        assert symbol not in (hand / "by_hand.sh").read_text(encoding="utf-8")
    assert (hand / "export/model.safetensors").is_file()
    marks = {path.name: float(path.read_text(encoding="utf-8")) for path in (hand / "marks").iterdir()}
    order = ("start", "train", "export", "prove_export", "ask_ready", "ask_first", "ask_asked", "ask_ended")
    assert sorted(order, key=lambda name: marks[name]) == list(order)
    requests = sorted((hand / "requests").glob("ask-*.json"))
    assert [json.loads(path.read_text(encoding="utf-8"))["stream"] for path in requests] == [False, True] * 2
    answer = json.loads((hand / "answers/ask-001.json").read_text(encoding="utf-8"))
    assert "神奇海螺" in answer["choices"][0]["message"]["content"]


MEASURED = Measured(
    recipe="smoke",
    conch=153.0,
    stages={
        "fetch": 1.0,
        "prove_data": 40.0,
        "train": 50.0,
        "export": 20.0,
        "prove_export": 10.0,
        "ask": 25.0,
    },
    conch_ready=40.0,
    conch_answer=45.0,
    by_hand=108.0,
    steps={
        "train": 50.0,
        "export": 20.0,
        "prove_export": 8.0,
        "ask_ready": 25.0,
        "ask_first": 2.0,
        "ask_asked": 2.0,
        "ask_ended": 1.0,
    },
    by_hand_answer=65.0,
)


def test_overhead_leaves_the_proofs_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert overhead.report(MEASURED) == pytest.approx(1.03)
    said = capsys.readouterr().out
    assert "proofs" in said
    assert "50.0 s" in said


def test_the_hidden_share_is_of_the_export_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert time_to_answer.report(MEASURED) == pytest.approx(1.0)
    assert "60% of the export hidden against a hand that proves nothing" in capsys.readouterr().out
