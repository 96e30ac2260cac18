"""The mean reward of held-out prompts, before and after, with its interval."""

from __future__ import annotations

from orchestrator.proofs.reward_gain import Scored, prove


def prompts(gains: list[float]) -> list[Scored]:
    return [Scored(f"q.jsonl:{at}", f"question {at}", 1.0, 1.0 + gain) for at, gain in enumerate(gains)]


def test_a_rise_is_told_with_its_interval() -> None:
    proof = prove(prompts([0.5, 0.7, 0.6, 0.4] * 4))
    assert proof.holds
    assert proof.numbers["prompts"] == 16
    assert (proof.numbers["before"], proof.numbers["after"]) == (1.0, 1.55)
    assert proof.numbers["gain_low"] > 0
    assert "mean reward 1.000 before and 1.550 after: +0.550 (95 % from" in proof.detail
    assert "chance" not in proof.detail


def test_a_rise_that_may_be_chance_says_so() -> None:
    proof = prove(prompts([2.0, -1.5, 0.5, -0.5]))
    assert proof.holds
    assert proof.detail.endswith("which may be chance)")
    assert proof.detail.zh.endswith("，可能只是偶然）")  # type: ignore[attr-defined]
    assert [finding["where"] for finding in proof.findings] == ["q.jsonl:1", "q.jsonl:3"]


def test_fault_a_reward_that_fell_is_no_success() -> None:
    proof = prove(prompts([-0.2, -0.4]))
    assert not proof.holds
    assert "train.learning_rate" in proof.hint
    assert "fell from 1.000 to 0.600: question 1" in str(proof.findings[0]["what"])


def test_unanswered_prompts_are_told_and_none_at_all_is_no_proof() -> None:
    assert prove(prompts([0.1]), unanswered=2).not_covered == "2 prompts without two answers"
    assert not prove([], unanswered=3).holds
