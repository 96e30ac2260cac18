"""`conch compare --bases`: which base suits the data, what is asked once, and what is wrong.

The tasks and the servers are called in this process; `two` with real children is for `make soak`.
"""
# Covers cli/text/bases.py execute/evaluating/compare_bases.py

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.openai_server import FakeServer, Said, openai_server
from tests.in_process import Started, served_in_process, tasks_in_process
from tests.small_world import ROWS, SmallWorld, make_base

ASKED = ("compare", "--bases", "./base,./better", "--data", "small")


@pytest.fixture
def two(small: SmallWorld) -> SmallWorld:
    """A second base, which knows the answers; neither says how it is asked."""
    make_base(small.project / "better")
    answers = json.dumps(ROWS, ensure_ascii=False)
    (small.project / "better/answers.json").write_text(answers, encoding="utf-8")
    return small


@pytest.fixture
def server(two: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """It answers as the base does that was started last."""
    tasks_in_process(monkeypatch)

    def answer(messages: list[dict[str, str]]) -> Said:
        known = started.servers[-1].folder / "inputs/base/answers.json"
        answers = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
        asked = messages[-1]["content"]
        return Said(answers.get(asked, asked), token_ids=(1, 2))

    with openai_server(answer) as fake:
        started: Started = served_in_process(monkeypatch, "orchestrator.execute.runner.loop", fake)
        yield fake


def test_two_bases_are_told_apart_and_not_asked_twice(two: SmallWorld, server: FakeServer) -> None:
    said = two.run(*ASKED, "--template", "deepseekr1", "--json")
    assert said.code == 0, said.err + said.out
    data = said.envelope["data"]
    one, other = data["bases"]
    assert (data["samples"], one["base"], other["base"]) == (len(ROWS), "./base", "./better")
    assert (one["template"], one["thinking"]) == ("deepseekr1-off-keep", "off"), "the rows hold no thoughts"
    assert other["numbers"]["metrics"]["exact_match"]["mean"] == 100.0
    assert data["best"]["chrf"]["base"] == "./better"
    assert "bits_per_character" not in data["best"], "this server scores no reference"
    assert one["general"][1] == 24
    kept = json.loads((two.project / "runs/compare-bases/small.json").read_text(encoding="utf-8"))
    assert kept["rows"][0]["answers"] == ["你是谁", ROWS["你是谁"]]
    before = len(server.requests)
    again = two.run(*ASKED, "--template", "deepseekr1")
    assert again.err.count("skipped") == 8
    assert len(server.requests) == before
    assert "best by chrF: ./better" in again.out
    assert "independent of the tokenizer" in again.out
    assert len([path for path in (two.project / "runs/compare-bases").iterdir() if path.is_dir()]) == 2
    assert two.run("runs", "ls").code == 0


def test_an_interrupted_comparison_goes_on_with_the_base_that_is_left(
    two: SmallWorld, server: FakeServer
) -> None:
    answer = server.answer

    def dies(messages: list[dict[str, str]]) -> Said:
        if messages[-1]["content"] in ROWS and len(server.requests) > 28:
            server.fault = "400"
        return answer(messages)

    server.answer = dies
    said = two.run(*ASKED, "--template", "deepseekr1")
    assert said.code != 0
    assert "./better: " in said.err
    server.answer, server.fault, before = answer, "", len(server.requests)
    said = two.run(*ASKED, "--template", "deepseekr1", "--json")
    assert said.code == 0, said.err
    asked = [request["messages"][-1]["content"] for request in server.requests[before:]]
    assert len(asked) - 1 == len(ROWS) + 24, "the first base is not asked again; one request is for scores"


def test_a_file_and_a_base_that_says_how_it_is_asked(two: SmallWorld, server: FakeServer) -> None:
    ours = (two.project / "chat_templates/deepseekr1-on-keep.jinja").read_text(encoding="utf-8")
    (two.project / "base/chat_template.jinja").write_text(ours, encoding="utf-8")
    config = two.project / "better/tokenizer_config.json"
    config.write_text('{"chat_template": "<|im_start|>{{ messages }}"}', encoding="utf-8")
    faq = two.project / "我的 faq.csv"
    faq.write_text("问题,答案\n你是谁,我是神奇海螺。\n今天吃什么,蟹黄堡。\n", encoding="utf-8")
    said = two.run("compare", "--bases", "./base,./better", "--data", str(faq), "--limit", "1", "--json")
    assert said.code == 0, said.err
    one, other = said.envelope["data"]["bases"]
    assert (one["template"], other["template"]) == ("deepseekr1-on-keep", "chatml")
    assert said.envelope["data"]["samples"] == 1
    assert server.requests


def test_what_cannot_be_compared_is_said_before_anything_is_asked(
    two: SmallWorld, server: FakeServer
) -> None:
    said = two.run(*ASKED)
    assert said.code == 2
    assert "./base: its chat template is missing or unknown" in said.err
    assert "./better: its chat template is missing or unknown" in said.err
    assert not server.requests


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--bases", "./base", "--data", "small"], 2, "a comparison needs at least two bases"),
        (["--bases", "./base,./base", "--data", "small"], 2, "duplicate base: ./base"),
        (["--bases", "./base,./gone", "--data", "small"], 3, "no folder"),
        (["--bases", "./base,a b", "--data", "small"], 2, "model.base: must be"),
        (["--bases", "./base,embedded", "--data", "smal"], 2, 'no dataset named "smal"'),
        (["--bases", "./base,embedded", "--data", "./gone.jsonl"], 3, "no such data file"),
        (["--bases", "./base,embedded"], 2, "--bases needs --data"),
        (["--bases", "./base,embedded", "--data", "small", "small"], 2, "--bases takes no run"),
        (["--data", "small"], 2, "--data: only with --bases"),
        (["--bases", "./a,./b", "--data", "small", "--template", "a,b,c"], 2, "3 templates for 2 bases"),
        (["--bases", "./a,./b", "--data", "small", "--template", "nix"], 2, "is paired with nix"),
    ],
)
def test_mistakes_are_said(small: SmallWorld, words: list[str], code: int, told: str) -> None:
    said = small.run("compare", *words)
    assert (said.code, told in said.err) == (code, True), said.err
    assert not [path for path in Path("runs/compare-bases").glob("*") if path.is_dir()]


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home of its own, which soak tests are not given."""
    monkeypatch.setenv("CONCH_HOME", str(tmp_path / "conch-home"))


@pytest.mark.soak
def test_two_bases_with_real_children(apart: None, two: SmallWorld) -> None:
    said = two.run(*ASKED, "--template", "deepseekr1", "--json")
    assert said.code == 0, said.err + said.out
    data = said.envelope["data"]
    # Of the fake server every letter of a reference, and its end mark, is e^-0.5 likely.
    assert data["differences"][0]["bits_per_character"]["difference"] == 0.0
    assert data["best"]["bits_per_character"]["sure"] is False
    assert not two.processes()
