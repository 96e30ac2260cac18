"""The metrics are LLaMA-Factory's own: a real do_predict's numbers from its own predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.evaluation.numbers import scores_of
from orchestrator.execute.environments import registry
from tests.e2e.predict import predict
from tests.e2e.world import Trained

pytestmark = pytest.mark.real
ROWS = 8


def test_every_number_of_a_real_prediction_to_four_decimals(trained: Trained, tmp_path: Path) -> None:
    run = max((trained.world.project / "runs/smoke").glob("2*"))
    lines = (run / "data/conversations.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line)["messages"] for line in lines[:ROWS]]
    # Cut short, so that the answers are not simply the references.
    told, results = predict(
        run, "export", rows, tmp_path / "predict", registry.require("train", "cpu"), max_new_tokens=12
    )
    assert len(told) == len(rows)
    mine = [scores_of(row["predict"], row["label"]) for row in told]
    for name in ("bleu-4", "rouge-1", "rouge-2", "rouge-l"):
        mean = sum(scores[name] for scores in mine) / len(mine)
        assert 0 < mean < 100, name
        assert mean == pytest.approx(results[f"predict_{name}"], abs=5e-5), name
