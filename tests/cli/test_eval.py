"""`conch eval` in a small world: the numbers of each system, what is not asked again, what is wrong."""
# Covers execute/evaluating/evaluate_run.py execute/runner/lora_adapters.py

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.evaluation.samples import Prediction
from orchestrator.execute.evaluating.evaluate import read_samples, reference_loss
from orchestrator.execute.inference.token_server import TokenServer
from tests.fakes.openai_server import Said, openai_server
from tests.fakes.scoring_server import Scores, scoring_server
from tests.small_world import ROWS, SmallWorld, make_checkpoint


def evaluated(world: SmallWorld, *words: str) -> dict[str, Any]:
    said = world.run("eval", "small", "--json", *words)
    assert said.code == 0, said.err + said.out
    found: dict[str, Any] = said.envelope["data"]
    return found


def checkpoint(world: SmallWorld, step: int) -> Path:
    """A whole checkpoint with an adapter of rank 5."""
    return make_checkpoint(world.last().path / f"adapter/checkpoint-{step}", step, '{"r": 5}')


def test_tuned_and_base_are_told_apart_by_numbers(trained: SmallWorld) -> None:
    data = evaluated(trained, "--systems", "base,tuned")
    tuned, base = (data["systems"][name] for name in ("tuned", "base"))
    assert data["split"] == "train"
    assert tuned["metrics"]["exact_match"]["mean"] == 100.0
    assert base["metrics"]["exact_match"]["mean"] < 50
    assert tuned["samples"] == len(ROWS)
    # Every token is e^0.5 likely at the fake server.
    assert tuned["perplexity"]["value"] == pytest.approx(1.6487, abs=1e-4)
    rows = Path(data["folders"]["tuned"], "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    first = json.loads(rows[0])
    assert (first["prompt"], first["predict"], first["label"]) == ("你是谁", ROWS["你是谁"], ROWS["你是谁"])


def test_what_was_scored_is_not_asked_again_until_it_changes(trained: SmallWorld) -> None:
    first = trained.run("eval", "small")
    assert first.code == 0, first.err
    assert "exact_match" in first.out
    again = trained.run("eval", "small")
    assert "skipped (inputs unchanged)" in again.err
    other = trained.run("eval", "small", "--limit", "2", "--json")
    assert "skipped" not in other.err
    assert other.envelope["data"]["systems"]["tuned"]["samples"] == 2


def test_a_checkpoint_is_scored_before_any_merging(trained: SmallWorld) -> None:
    checkpoint(trained, 3)
    checkpoint(trained, 7)
    data = evaluated(trained, "--checkpoint", "last")
    (name,) = data["systems"]
    assert name == "checkpoint-7"
    assert data["systems"][name]["metrics"]["exact_match"]["mean"] == 25.0
    assert "not merged" in data["systems"][name]["perplexity_missing"]


def test_a_server_that_is_up_is_asked_and_its_lack_is_told(trained: SmallWorld) -> None:
    with openai_server(lambda _: Said("好")) as server:
        data = evaluated(trained, "--base-url", server.url, "--model", "conch")
    tuned = data["systems"]["tuned"]
    assert tuned["answered"] == len(ROWS)
    assert tuned["perplexity"] is None
    assert tuned["perplexity_missing"]


def test_an_unknown_system_split_or_checkpoint_is_said(trained: SmallWorld) -> None:
    said = trained.run("eval", "small", "--systems", "best")
    assert said.code == 2
    assert 'no system named "best"' in said.err
    said = trained.run("eval", "small", "--split", "test")
    assert said.code == 3
    assert "has no test rows (available: train)" in said.err
    assert "conch eval small --split train" in said.err
    said = trained.run("eval", "small", "--checkpoint", "9")
    assert said.code == 3
    assert "has no checkpoint 9 (available: " in said.err


def test_a_checkpoint_that_is_not_whole_is_not_served(trained: SmallWorld) -> None:
    folder = checkpoint(trained, 8)
    (folder / "trainer_state.json").write_text("{", encoding="utf-8")
    said = trained.run("eval", "small", "--checkpoint", "8")
    assert said.code == 3
    assert "trainer_state.json is missing or truncated" in said.err


def test_a_recipe_with_a_split_is_scored_in_its_run(small: SmallWorld) -> None:
    said = small.run(
        *("run", "small", "--set", "evaluate.split=train", "--set", "evaluate.limit=3"),
        *("--set", "verify.base=false"),
    )
    assert said.code == 0, said.err
    folder = small.last().path
    tuned, base = (
        json.loads((folder / f"eval/train-{name}/eval.json").read_text(encoding="utf-8"))
        for name in ("tuned", "base")
    )
    assert (tuned["samples"], tuned["metrics"]["exact_match"]["mean"]) == (3, 100.0)
    assert base["metrics"]["exact_match"]["mean"] < 50


def test_a_split_that_the_recipe_does_not_hold_is_refused_with_its_line(small: SmallWorld) -> None:
    recipe = small.project / "recipes/small.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8") + "evaluate: {split: test}\n", encoding="utf-8")
    said = small.run("plan", "small")
    assert said.code == 2
    assert "small.yaml:11:19" in said.err
    assert "the recipe's data has no test rows" in said.err


def test_a_reference_that_does_not_continue_its_question_is_not_scored() -> None:
    sample = Prediction("mine", 1, ({"role": "user", "content": "你是谁"},), "海螺")

    def prompt(body: dict[str, Any]) -> list[int]:
        return [1, 2, 3] if body["add_generation_prompt"] else [1, 2, 9, 4]

    with (
        scoring_server(Scores(prompt, lambda *_: -1.0)) as scores,
        TokenServer(scores.url, "m", "") as server,
    ):
        assert reference_loss(server, sample, thinking=True) == {}
        scores.prompt = lambda body: [1, 2, 3] if body["add_generation_prompt"] else [1, 2, 3, 4, 5]
        assert reference_loss(server, sample, thinking=None) == {"nll": 2.0, "label_tokens": 2}
        assert scores.requests[-2][1]["chat_template_kwargs"] == {"enable_thinking": False}


def test_samples_are_spread_over_the_split(tmp_path: Path) -> None:
    path = tmp_path / "conversations.jsonl"
    rows = [
        {"dataset": "mine", "row": at, "messages": [{"role": "user", "content": "问"}, *answer]}
        for at in range(1, 11)
        for answer in [[{"role": "assistant", "content": "答"}] if at % 2 else []]
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert [one.row for one in read_samples(path, ["mine"], 2)] == [1, 5]
    assert len(read_samples(path, ["mine"], 100)) == 5
