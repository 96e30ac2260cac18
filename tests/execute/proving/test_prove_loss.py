"""The task around the loss certificate: it joins the scores row by row, and says which are missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ConchError, MissingError, StageFailed
from orchestrator.execute.proving.prove_loss import prove_loss, prove_perplexity, prove_preference
from orchestrator.execute.runner.task import typed

SETTINGS = {
    "training_ids": "ids.jsonl",
    "prepare": "prepare.json",
    "trainer": "trainer.jsonl",
    "served": "served.jsonl",
    "out": "proofs/served/loss.json",
    "dtype": "float32",
}
PLACE: dict[str, Any] = {"dataset": "mine", "row": 3, "held_out": False}
HEADER = {"compute_dtype": "float32", "eligible": {"trained": 7, "held_out": 0}}
TRAINER = PLACE | {
    "loss": 0.015,
    "turns": [{"turn": 0, "logprobs": [-0.01, -0.02], "base_logprobs": [-5.0, -6.0]}],
}


def served(*weights: float, prompt: tuple[float, ...] | None = None) -> dict[str, Any]:
    asked = list(weights if prompt is None else prompt)
    turn = {"turn": 0, "weights": list(weights), "prompt": asked, "prefilled": 0, "error": ""}
    return PLACE | {"error": "", "turns": [turn]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "proofs" / "served").mkdir(parents=True)
    ids = PLACE | {"ids": [1, 2, 7, 8], "turns": [{"turn": 0, "start": 2, "end": 4, "cut": False}]}
    put(tmp_path / "ids.jsonl", {"template": "qwen"}, ids, {"pieces": {"7": "æµ·", "8": "<end>"}})
    put(tmp_path / "trainer.jsonl", HEADER, TRAINER)
    put(tmp_path / "served.jsonl", served(-0.01, -0.02))
    put(tmp_path / "prepare.json", {"datasets": [{"name": "mine", "file": "data/海螺.jsonl"}]})
    return tmp_path


def put(path: Path, *lines: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def proof(folder: Path) -> Any:
    return json.loads((folder / SETTINGS["out"]).read_text(encoding="utf-8"))


def test_a_right_server_holds(folder: Path) -> None:
    assert prove_loss(typed(prove_loss, SETTINGS), folder) == 0
    assert proof(folder)["holds"]
    assert "1 of 7 trained rows (2 labels)" in proof(folder)["covered"]


def test_a_no_is_5_names_the_place_and_can_be_accepted(folder: Path) -> None:
    put(folder / "served.jsonl", served(-5.0, -6.0))
    assert prove_loss(typed(prove_loss, SETTINGS), folder) == 5
    found = proof(folder)
    assert "they are the base model's" in found["detail"]
    assert found["findings"][0]["where"] == "data/海螺.jsonl:3"
    assert "海" in found["findings"][0]["what"]
    assert prove_loss(typed(prove_loss, SETTINGS | {"accept_mismatch": True}), folder) == 0
    assert proof(folder)["accepted"]


def test_the_dtype_of_the_server_sets_the_limit(folder: Path) -> None:
    put(folder / "served.jsonl", served(-0.0105, -0.021))
    assert prove_loss(typed(prove_loss, SETTINGS), folder) == 5
    assert prove_loss(typed(prove_loss, SETTINGS | {"dtype": "bfloat16"}), folder) == 0


def test_the_prompt_is_told_from_the_weights(folder: Path) -> None:
    put(folder / "served.jsonl", served(-0.01, -0.02, prompt=(-3.0, -0.02)))
    assert prove_loss(typed(prove_loss, SETTINGS), folder) == 5
    assert proof(folder)["detail"].startswith("the prompt is wrong")


def test_rows_that_only_one_side_scored_are_no_proof(folder: Path) -> None:
    put(folder / "served.jsonl", served(-0.01, -0.02) | {"row": 4})
    with pytest.raises(StageFailed, match="mine row 3 was scored by the trainer only"):
        prove_loss(typed(prove_loss, SETTINGS), folder)


@pytest.mark.parametrize("name", ["training_ids", "trainer", "served", "prepare"])
@pytest.mark.parametrize("text", [None, "", '{"dataset": "mi'])
def test_a_file_that_is_missing_or_cut(folder: Path, name: str, text: str | None) -> None:
    path = folder / SETTINGS[name]
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    with pytest.raises(ConchError) as raised:
        prove_loss(typed(prove_loss, SETTINGS), folder)
    assert isinstance(raised.value, MissingError | StageFailed)
    assert not (folder / SETTINGS["out"]).exists()


def several(folder: Path, *rows: tuple[dict[str, Any], float, float]) -> None:
    """Rows of two labels: what training_ids says of each, and log p of a label after and before training."""
    ids = [
        place | {"ids": [1, 2, 7, 8], "turns": [{"turn": 0, "start": 2, "end": 4}]} for place, _, _ in rows
    ]
    put(folder / "ids.jsonl", {"template": "qwen"}, *ids, {"pieces": {"7": "x", "8": "<end>"}})
    places = [{key: value for key, value in place.items() if key != "liked"} for place, _, _ in rows]
    turns = [{"turn": 0, "logprobs": [tuned] * 2, "base_logprobs": [base] * 2} for _, tuned, base in rows]
    put(
        folder / "trainer.jsonl",
        HEADER,
        *(one | {"loss": 1.0, "turns": [turn]} for one, turn in zip(places, turns, strict=True)),
    )
    put(
        folder / "served.jsonl",
        *(served(tuned, tuned) | one for one, (_, tuned, _) in zip(places, rows, strict=True)),
    )


@pytest.mark.parametrize(("liked", "code"), [(True, 0), (False, 5)])
def test_likes_and_dislikes_are_judged_by_their_tags(folder: Path, code: int, *, liked: bool) -> None:
    rows = [
        (PLACE | {"row": 1, "liked": liked}, -1.0, -3.0),
        (PLACE | {"row": 2, "liked": not liked}, -5.0, -3.0),
    ]
    several(folder, *rows)
    assert prove_preference(typed(prove_preference, SETTINGS), folder) == code
    assert proof(folder)["numbers"]["trained_margin"] == (8.0 if liked else -8.0)
    assert prove_loss(typed(prove_loss, SETTINGS), folder) == 0
    assert "2 of 7 trained rows" in proof(folder)["covered"]


def test_a_pair_is_counted_once(folder: Path) -> None:
    several(folder, (PLACE, -1.0, -3.0), (PLACE | {"dataset": "mine/rejected"}, -5.0, -3.0))
    assert prove_loss(typed(prove_loss, SETTINGS), folder) == 0
    assert "1 of 7 trained pairs (4 labels)" in proof(folder)["covered"]


@pytest.mark.parametrize(("tuned", "code"), [(-1.0, 0), (-4.0, 5)])
def test_documents_must_become_more_likely(folder: Path, tuned: float, code: int) -> None:
    several(folder, (PLACE | {"held_out": True}, tuned, -3.0))
    assert prove_perplexity(typed(prove_perplexity, SETTINGS), folder) == code
    assert proof(folder)["numbers"]["held_out_documents"] == 1
