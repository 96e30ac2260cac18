"""`conch prove`: the certificate of a run, made anew over the very files that are there."""
# Covers execute/proving/prove.py

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.small_world import SmallWorld

NAMES = [
    "rows",
    "tokenizer",
    "parity:data",
    "truncation",
    "hashes",
    "merge",
    "parity:export",
    "stop",
    "sampling",
    "parity:served",
    "loss",
]


@pytest.fixture
def trained(small: SmallWorld) -> SmallWorld:
    return small.after("run", "small")


def certificate(world: SmallWorld) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((world.last().path / "proof.json").read_text(encoding="utf-8"))
    return found


def of(envelope: dict[str, Any], name: str) -> dict[str, Any]:
    return next(proof for proof in envelope["data"]["proofs"] if proof["name"] == name)


def test_a_run_leaves_a_certificate_that_holds(trained: SmallWorld) -> None:
    found = certificate(trained)
    assert found["holds"]
    assert [proof["name"] for proof in found["proofs"]] == NAMES
    assert found["not_proven"] == []
    assert "model.safetensors" in found["files"]
    report = (trained.last().path / "report" / "report.md").read_text(encoding="utf-8")
    assert all(name in report for name in NAMES)


def test_sft_certifies_what_needs_no_server_and_says_what_is_left(small: SmallWorld) -> None:
    small.after("sft", "small")
    assert certificate(small)["not_proven"] == ["sampling", "parity:served", "loss"]
    said = small.run("prove", "small")
    assert said.code == 0, said.err + said.out
    assert certificate(small)["not_proven"] == []
    assert not small.processes()


def test_without_a_server(trained: SmallWorld) -> None:
    said = trained.run("prove", "small", "--offline", "--json")
    assert said.code == 0, said.err
    assert said.envelope["data"]["holds"]
    assert said.envelope["data"]["not_proven"] == ["sampling", "parity:served", "loss"], (
        "an earlier server's proof is none"
    )
    assert "again-prove_served" not in said.err


def swap_weights(path: Path) -> None:
    weights = path / "export/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0@")


def edit_template(path: Path) -> None:
    with (path / "export/chat_template.jinja").open("a", encoding="utf-8") as jinja:
        jinja.write("\n{{ ' ' }}")


FAULTS = {"other weights": (swap_weights, "merge"), "an edited template": (edit_template, "hashes")}


@pytest.mark.parametrize(("plant", "name"), FAULTS.values(), ids=FAULTS)
def test_files_that_were_changed_are_what_is_judged(trained: SmallWorld, plant: Any, name: str) -> None:
    plant(trained.last().path)
    said = trained.run("prove", "small", "--offline", "--json")
    assert said.code == 5, said.err
    assert not of(said.envelope, name)["holds"]
    assert of(said.envelope, name)["hint"]
    shown = trained.run("prove", "small", "--offline")
    assert f"✗ {name}" in shown.out
    assert "DOES NOT HOLD" in shown.out
    accepted = trained.run("prove", "small", "--offline", "--accept-mismatch")
    assert accepted.code == 0
    assert "(accepted)" in accepted.out


def test_a_run_that_was_never_finished(small: SmallWorld) -> None:
    said = small.run("prove", "small")
    assert said.code == 3
    assert "conch sft small" in said.err


def test_nobody_listens_at_the_address(trained: SmallWorld) -> None:
    said = trained.run("prove", "small", "--base-url", "http://127.0.0.1:9/v1")
    assert said.code == 3, said.err
    assert not trained.processes()


def test_offline_and_a_server_contradict(small: SmallWorld) -> None:
    assert small.run("prove", "small", "--offline", "--base-url", "http://127.0.0.1:9/v1").code == 2
