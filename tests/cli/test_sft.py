"""`conch sft`: up to the proven export, no further; `conch run` goes on from there."""

from __future__ import annotations

from orchestrator.plan.plan import TRAIN
from orchestrator.proofs import PROOFS
from tests.small_world import SmallWorld


def test_it_ends_with_the_proven_export(small: SmallWorld) -> None:
    said = small.run("sft", "small", "--json")
    assert said.code == 0, said.err
    data = said.envelope["data"]
    stages = [name for name in TRAIN if name != "expand"]  # of LLaMA Pro
    assert [run["stage"] for run in data["runs"]] == stages
    assert [proof["name"] for proof in data["proofs"]] == list(PROOFS)[:-3], "what needs no server"
    assert all(proof["holds"] for proof in data["proofs"])
    assert data["verdicts"] == []
    assert data["stand_in"] is False

    text = small.run("sft", "small").out
    assert "conch serve small" in text
    assert "checks" not in text
    assert text.count("proven ") >= len(PROOFS) - 3

    whole = small.run("run", "small", "--set", "verify.base=true", "--json")
    assert whole.code == 0, whole.err
    status = {run["stage"]: run["status"] for run in whole.envelope["data"]["runs"]}
    # More was proven since: the certificate is made anew, and nothing else.
    assert {name for name in stages if status[name] != "skipped"} == {"certify"}
    assert status["ask"] == "done"
    assert whole.envelope["data"]["folder"] == data["folder"]


def test_the_loss_of_each_step_is_shown_while_it_trains(small: SmallWorld) -> None:
    said = small.run("sft", "small")
    assert "training loss" in said.err  # the curve, when the stage has ended
    assert "loss 3.0000" in said.err


def test_a_name_that_is_no_recipe_is_usage(small: SmallWorld) -> None:
    said = small.run("sft", "smal")
    assert said.code == 2
    assert 'no recipe named "smal"; did you mean "small"?' in said.err
    assert not (small.project / "runs").exists()
