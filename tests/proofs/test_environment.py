"""The environment of a training computes what the others do, and the reward model reads the same tokens."""

from __future__ import annotations

import pytest

from orchestrator.proofs.environment import Values, prove
from orchestrator.results import Proof

TEXTS = {"base": [[1, 2], [3]], "reward": [[1, 2], [3]]}
VERSIONS = ("4.55.4", "5.5.4")


def row(trainer: list[float], score: float = 0.5, *, exported: float = 0.5) -> Values:
    return Values("q.jsonl:1", trainer, [-1.0, -2.0], score, exported)


def proof_of(*rows: Values, texts: dict[str, list[list[int]]] = TEXTS) -> Proof:
    return prove(rows, VERSIONS, texts)


def test_rounding_is_no_difference() -> None:
    proof = proof_of(row([-1.00001, -2.00001], 0.50002), row([-1.0, -2.0], 20.05, exported=20.0))
    assert proof.holds
    assert proof.numbers == {"rows": 2, "base_apart": 0.00001, "reward_apart": 0.0025}
    assert "transformers 4.55.4 and 5.5.4" in proof.detail


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        # Measured on the embedded base with rope_theta lost: 0.5 nats a token.
        (row([-1.5, -2.5]), "other log probabilities of the base: 0.5000 nats a token apart", "another base"),
        (row([-1.0]), "inf nats", "another base"),
        (row([float("nan"), -2.0]), "nan nats", "another base"),
        (row([-1.0, -2.0], -0.088, exported=-0.99), "scores -0.0880 in the environment", "train and export"),
        (row([-1.0, -2.0], float("nan")), "scores nan", "train and export"),
    ],
)
def test_fault_a_model_that_is_read_otherwise_is_named(values: Values, message: str, hint: str) -> None:
    proof = proof_of(row([-1.0, -2.0]), values)
    assert not proof.holds
    assert message in proof.detail
    assert hint in proof.hint
    assert "训练" in proof.detail.zh or "奖励" in proof.detail.zh  # type: ignore[attr-defined]
    assert proof.findings[0]["where"] == "q.jsonl:1"


@pytest.mark.parametrize("reward", [[[1, 2], [4]], [[1, 2]]])
def test_fault_a_reward_model_of_another_tokenizer_scores_noise(reward: list[list[int]]) -> None:
    proof = proof_of(row([-1.0, -2.0]), texts={"base": TEXTS["base"], "reward": reward})
    assert not proof.holds
    assert proof.detail.startswith("the reward model reads 1 of 2 fixed texts as other tokens")
    assert "same base" in proof.hint


def test_nothing_compared_is_no_proof() -> None:
    assert not proof_of().holds
