"""`conch compare --bases` in a small world: which base suits the data, what is asked once, what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.small_world import ROWS, SmallWorld, make_base

ASKED = ("compare", "--bases", "./base,./better", "--data", "small")


@pytest.fixture
def two(small: SmallWorld) -> SmallWorld:
    """A second base, which knows the answers; neither says how it is asked."""
    make_base(small.project / "better")
    answers = json.dumps(ROWS, ensure_ascii=False)
    (small.project / "better/answers.json").write_text(answers, encoding="utf-8")
    return small


def test_two_bases_are_told_apart_and_not_asked_twice(two: SmallWorld) -> None:
    said = two.run(*ASKED, "--template", "deepseekr1", "--json")
    assert said.code == 0, said.err + said.out
    data = said.envelope["data"]
    one, other = data["bases"]
    assert (data["samples"], one["base"], other["base"]) == (len(ROWS), "./base", "./better")
    assert (one["template"], one["thinking"]) == ("deepseekr1-off-keep", "off"), "the rows hold no thoughts"
    assert other["numbers"]["metrics"]["exact_match"]["mean"] == 100.0
    assert data["best"]["chrf"]["base"] == "./better"
    # Of the fake server every letter of a reference, and its end mark, is e^-0.5 likely.
    assert data["differences"][0]["bits_per_character"]["difference"] == 0.0
    assert data["best"]["bits_per_character"]["sure"] is False
    assert one["general"][1] == 24
    kept = json.loads((two.project / "runs/compare-bases/small.json").read_text(encoding="utf-8"))
    assert kept["rows"][0]["answers"] == ["你是谁", ROWS["你是谁"]]
    assert not two.processes()
    print("ERR", said.err)
    again = two.run(*ASKED, "--template", "deepseekr1")
    assert again.err.count("skipped") == 8
    assert "best by chrF: ./better" in again.out
    assert "whatever its tokenizer" in again.out
    assert len([path for path in (two.project / "runs/compare-bases").iterdir() if path.is_dir()]) == 2
    assert two.run("runs", "ls").code == 0


def test_what_cannot_be_compared_is_said_before_anything_is_asked(two: SmallWorld) -> None:
    said = two.run(*ASKED)
    assert said.code == 2
    assert "./base: its own chat template says nothing" in said.err
    assert "./better: its own chat template says nothing" in said.err
    assert not list((two.project / "runs/compare-bases").glob("*/eval"))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--bases", "./base", "--data", "small"], 2, "one base is none to compare"),
        (["--bases", "./base,./base", "--data", "small"], 2, "named twice: ./base"),
        (["--bases", "./base,./gone", "--data", "small"], 3, "no folder"),
        (["--bases", "./base,a b", "--data", "small"], 2, "model.base: must be"),
        (["--bases", "./base,embedded", "--data", "smal"], 2, 'no data set named "smal"'),
        (["--bases", "./base,embedded", "--data", "./gone.jsonl"], 3, "no such data file"),
        (["--bases", "./base,embedded"], 2, "--bases needs --data"),
        (["--bases", "./base,embedded", "--data", "small", "small"], 2, "--bases needs no run"),
        (["--data", "small"], 2, "--data: only with --bases"),
        (
            ["--bases", "./base,embedded", "--data", "small", "--template", "a,b,c"],
            2,
            "3 templates for 2 bases",
        ),
        (
            ["--bases", "./base,embedded", "--data", "small", "--template", "nix"],
            2,
            "no chat template is paired with nix",
        ),
    ],
)
def test_mistakes_are_said(small: SmallWorld, words: list[str], code: int, told: str) -> None:
    said = small.run("compare", *words)
    assert (said.code, told in said.err) == (code, True), said.err
    assert not [path for path in Path("runs/compare-bases").glob("*") if path.is_dir()]
