"""Rows are as long as LLaMA-Factory makes them: the same lengths as of the ids that are trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.execute.models import demo_model
from tests.probes.run_folder import PROBES, Run, run_python, turns

ROWS = [
    turns("你是谁", "海螺。"),
    turns("一", "<think>\n想\n</think>\n\n壹", "二", "贰"),
    [{"role": "system", "content": "你是医生"}, *turns("头疼", "多喝水。")],
]


@pytest.mark.real
@pytest.mark.parametrize("history", ["keep", "strip"])
def test_lengths_are_those_of_the_ids_that_are_trained(
    tmp_path: Path, train_python: Path, history: str
) -> None:
    folder = Run(tmp_path / "run", train_python, train_python)
    folder.lay_out(demo_model.ensure_embedded(print), ROWS, history=history)
    lines = [json.dumps({"messages": row}, ensure_ascii=False) for row in ROWS]
    (folder.path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    argv = [str(PROBES / "token_lengths.py"), "train.yaml", "--rows", "rows.jsonl", "--out", "lengths.jsonl"]
    done = run_python(folder.train_python, argv, folder.path)
    assert done.returncode == 0, done.stderr[-2000:]
    said = [json.loads(line) for line in (folder.path / "lengths.jsonl").read_text("utf-8").splitlines()]
    assert said[0]["template"] == "deepseekr1"
    assert folder.train_ids("mine").returncode == 0
    assert [sum(row) for row in said[1:]] == [len(row["ids"]) for row in folder.trained()[1:-1]]
    assert [len(row) for row in said[1:]] == [2, 4, 2]
