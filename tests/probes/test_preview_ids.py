"""A preview shows what LLaMA-Factory trains: pairs, cut or not, put together are its ids and labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator.execute.models import demo_model
from tests.probes.run_folder import PROBES, Run, run_python, turns
from tests.probes.test_training_ids import prepared

LONG = "很长的话。" * 60
ROWS = [
    turns("你是谁", "海螺。"),
    turns("a question without its answer"),
    turns("一", "<think>\n想\n</think>\n\n壹", LONG, "贰", "三", LONG),
    turns(LONG, LONG, "还有呢", "没有了"),
]


def previewed(folder: Run) -> list[dict[str, Any]]:
    argv = [str(PROBES / "preview_ids.py"), "train.yaml", "--out", "preview.jsonl"]
    done = run_python(folder.train_python, argv, folder.path)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in (folder.path / "preview.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.real
@pytest.mark.parametrize("history", ["keep", "strip"])
def test_pairs_put_together_are_what_is_trained(
    tmp_path: Path, train_python: Path, history: str, probe: Callable[[str], ModuleType]
) -> None:
    folder = Run(tmp_path / "run", train_python, train_python)
    folder.lay_out(demo_model.ensure_embedded(print), ROWS, history=history, cutoff_len=300)
    header, *rows, last = previewed(folder)
    assert header["datasets"] == {"mine": {"rows": 4, "kept": 3}}
    assert header["cutoff_len"] == 300
    assert [row["row"] for row in rows] == [0, 2, 3]
    assert folder.train_ids("mine").returncode == 0
    for row, trained in zip(rows, folder.trained()[1:-1], strict=True):
        ids, places = probe("preview_ids").together(row["pairs"], row["tail"])
        assert ids == trained["ids"]
        told = [place for turn in trained["turns"] for place in range(turn["start"], turn["end"])]
        assert places == told
    whole = [sum(len(pair["source"]) + len(pair["target"]) for pair in row["pairs"]) for row in rows]
    left = [sum(map(sum, (pair["kept"] for pair in row["pairs"]))) for row in rows]
    assert [before > after for before, after in zip(whole, left, strict=True)] == [False, True, True]
    used = {
        token
        for row in rows
        for pair in row["pairs"]
        for side in ("source", "target")
        for token in pair[side]
    }
    assert used <= {int(token) for token in last["pieces"]}


@pytest.mark.real
@pytest.mark.parametrize("stage", ["dpo", "kto", "pt"])
def test_pairs_likes_and_documents_are_shown_as_they_are_trained(
    tmp_path: Path, train_python: Path, stage: str
) -> None:
    """The probe itself refuses what is not put together as it is trained; one row is cut."""
    folder = Run(tmp_path / "run", train_python, train_python)
    prepared(folder, demo_model.ensure_embedded(print), stage, cutoff_len=20)
    _, *rows, last = previewed(folder)
    names = {"dpo": ["mine", "mine/rejected"]}.get(stage, ["mine"])
    assert [(row["dataset"], row["row"]) for row in rows] == [(name, at) for at in (1, 2) for name in names]
    for row in rows:
        (pair,) = row["pairs"]
        assert pair["trained"]
        assert bool(pair["source"]) is (stage != "pt")
        assert all(str(token) in last["pieces"] for token in pair["target"])
    if stage == "dpo":
        better, worse = (row["pairs"][0] for row in rows[2:])
        assert better["source"] == worse["source"]
        assert better["target"] != worse["target"]
        # The longer answer decides how much of the question is left for both.
        assert better["kept"][0] == worse["kept"][0]
    lengths = [sum(row["pairs"][0]["kept"]) for row in rows]
    assert max(lengths) <= 20 or stage == "pt", "nothing is cut of documents: they are joined first"


@pytest.mark.real
def test_prompts_are_encoded_by_the_processor_of_ppo_and_answers_are_shown_as_untrained(
    tmp_path: Path, train_python: Path
) -> None:
    """The prompt is what the trainer answers; what the data answers stands behind it, and no row is lost."""
    folder = Run(tmp_path / "run", train_python, train_python)
    rows = [turns("你是谁", "海螺。"), turns("一", "壹", LONG, "贰")]
    settings = {"stage": "ppo", "reward_model": "inputs/base", "reward_model_type": "full", "cutoff_len": 60}
    folder.lay_out(demo_model.ensure_embedded(print), rows, **settings)
    header, *shown, _ = previewed(folder)
    assert header["datasets"] == {"mine": {"rows": 2, "kept": 2}}
    assert [pair["trained"] for row in shown for pair in row["pairs"]] == [False, False]
    assert folder.train_ids("mine").returncode == 0
    short, cut = folder.trained()[1:-1]
    prompt = len(shown[0]["pairs"][0]["source"])
    assert short["turns"] == [{"turn": 0, "start": prompt, "end": len(short["ids"]), "cut": False}]
    assert cut["cut"]
    assert cut["turns"][0]["turn"] == 1
    for row, trained in zip(shown, (short, cut), strict=True):
        (pair,) = row["pairs"]
        source, target = pair["kept"]
        assert pair["source"][:source] + pair["target"][:target] == trained["ids"]


def test_nothing_is_cut_below_the_cutoff(probe: Callable[[str], ModuleType]) -> None:
    kept_lengths = probe("preview_ids").kept_lengths
    assert kept_lengths([([1, 2], [3]), ([4], [5, 6])], 7, 0, False) == [[2, 1], [1, 2]]


def test_the_end_behind_everything_is_trained(probe: Callable[[str], ModuleType]) -> None:
    parts = [{"source": [1, 2], "target": [3, 4], "kept": [2, 1], "trained": True}]
    assert probe("preview_ids").together(parts, [9]) == ([1, 2, 3, 9], [2, 3])
