"""prepare: pairs, likes and documents; what one side of a preference lacks, and how they are split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UsageError
from tests.execute.data.test_prepare import lines_of, prepare, settings, written

SPLIT = {"weights": {"train": 3.0, "validation": 1.0}, "seed": 3, "stratify": ""}


def liked(number: int, *, good: bool) -> dict[str, Any]:
    return {"instruction": f"第{number}问", "output": f"答{number}", "kto_tag": good}


def of(path: Path, purpose: str, **more: Any) -> dict[str, Any]:
    return {**settings(path, format=""), "purpose": purpose, **more}


def test_likes_of_one_side_are_refused_at_their_first_row(tmp_path: Path) -> None:
    source = written(tmp_path / "赞.jsonl", *(liked(number, good=True) for number in range(3)))
    with pytest.raises(UsageError, match="all 3 answers are liked") as caught:
        prepare(of(source, "kto"), tmp_path)
    assert caught.value.problems[0].where == "赞.jsonl:1"
    other = written(tmp_path / "踩.jsonl", liked(9, good=False))
    both = of(source, "kto")
    both["datasets"] = [*both["datasets"], {**of(other, "kto")["datasets"][0], "name": "y"}]
    assert prepare(both, tmp_path) == 0, "two files, each of one side, are both sides"


@pytest.mark.parametrize("seed", range(4))
def test_likes_are_shared_out_so_that_every_part_has_both_sides(tmp_path: Path, seed: int) -> None:
    rows = [liked(number, good=number % 8 != 0) for number in range(32)]
    source = written(tmp_path / "raw.jsonl", *rows)
    assert prepare(of(source, "kto", split={**SPLIT, "seed": seed}), tmp_path) == 0
    out = tmp_path / "data.partial-0"
    sides = {
        name: [row["kto_tag"] for row in lines_of(out / f"{name}.jsonl")] for name in ("x", "x_validation")
    }
    assert {name: (tags.count(True), tags.count(False)) for name, tags in sides.items()} == {
        "x": (21, 3),
        "x_validation": (7, 1),
    }
    report = json.loads((out / "prepare.json").read_text(encoding="utf-8"))["datasets"][0]
    assert report["tally"] == {"liked": 28, "disliked": 4}


@pytest.mark.parametrize(
    ("purpose", "row", "key"),
    [
        ("dpo", {"prompt": "{}", "chosen": "好{}{}", "rejected": "坏"}, "messages"),
        ("pt", {"text": "{}"}, "text"),
    ],
)
def test_what_asks_the_same_is_on_one_side_of_a_split(
    tmp_path: Path, purpose: str, row: dict[str, str], key: str
) -> None:
    """Pairs of one prompt, and documents that differ in punctuation, are in one part."""
    spelled = [f"{number}号海螺{mark}" for number in range(12) for mark in ("", "。", " ！")]
    rows = [
        {name: text.format(one, at) if text.count("{}") else text for name, text in row.items()}
        for at, one in enumerate(spelled)
    ]
    source = written(tmp_path / "raw.jsonl", *rows)
    assert prepare(of(source, purpose, split=SPLIT), tmp_path) == 0
    out = tmp_path / "data.partial-0"
    parts = [
        {str(written_row[key])[:60].split("号海螺")[0] for written_row in lines_of(out / f"{name}.jsonl")}
        for name in ("x", "x_validation")
    ]
    assert parts[0]
    assert parts[1]
    assert not parts[0] & parts[1]


@pytest.mark.parametrize(
    ("purpose", "rows", "where", "what"),
    [
        ("sft", [{"text": "文"}], "raw.jsonl:1", "rows are documents, but conversations are needed"),
        ("kto", [{"prompt": "问", "chosen": "好", "rejected": "坏"}], "raw.jsonl:1", "rows are pairs of"),
        ("dpo", [{"prompt": "问", "chosen": "好", "rejected": "好 "}], "raw.jsonl:1", "in white space only"),
    ],
)
def test_rows_that_cannot_be_of_use_are_named(
    tmp_path: Path, purpose: str, rows: list[dict[str, Any]], where: str, what: str
) -> None:
    source = written(tmp_path / "raw.jsonl", *rows)
    with pytest.raises(UsageError, match=what) as caught:
        prepare(of(source, purpose), tmp_path)
    assert caught.value.problems[0].where == where
