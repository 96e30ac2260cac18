"""perplexity: documents before and after, by trainer and server, and what does not hold."""

from __future__ import annotations

import math

import pytest

from orchestrator.proofs.perplexity import prove
from orchestrator.proofs.scores import Answer, Row
from orchestrator.results import in_chinese


def document(
    at: int,
    base: float,
    trainer: float,
    served: float | None = None,
    *,
    held_out: bool = True,
    tokens: int = 8,
) -> Row:
    """A document whose tokens all have the same loss."""
    seen = trainer if served is None else served
    answer = Answer(0, ["a"] * tokens, [-trainer] * tokens, [-base] * tokens, [-seen] * tokens)
    return Row(f"stories.jsonl:{at}", held_out, [answer])


def test_perplexity_falls_on_documents_that_were_not_trained() -> None:
    held_out = [document(at, 4.0 + at / 10, 3.0 + at / 10) for at in range(6)]
    proof = prove([document(9, 4.0, 1.0, held_out=False), *held_out])
    assert proof.holds
    assert proof.numbers["held_out_perplexity_base"] == round(math.exp(4.25), 4)
    assert proof.numbers["held_out_perplexity_served"] == proof.numbers["held_out_perplexity_trainer"]
    assert proof.numbers["held_out_change"] == -1.0
    assert proof.numbers["held_out_change_low"] == proof.numbers["held_out_change_high"] == -1.0
    assert "1 trained documents (8 tokens), 6 held-out documents (48 tokens)" in proof.covered
    assert "too few" not in proof.detail
    assert in_chinese(proof.detail) != proof.detail


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([document(1, 4.0, 4.2), document(2, 4.0, 4.0)], "no more likely: their perplexity was 54.60 before"),
        ([document(1, 4.0, 3.0, served=4.0)], "20.09 by the trainer and 54.60 as served"),
        (
            [document(1, 4.0, 4.1), document(2, 4.0, 1.0, held_out=False)],
            "training made held-out documents no",
        ),
        ([], "no document was scored"),
    ],
)
def test_documents_that_became_no_more_likely_do_not_hold(rows: list[Row], message: str) -> None:
    proof = prove(rows)
    assert not proof.holds
    assert message in proof.detail
    assert "of the same kind as the trained ones" in proof.hint
    assert in_chinese(proof.detail) != proof.detail


def test_an_interval_over_0_is_said_and_the_worst_documents_are_named() -> None:
    proof = prove([document(1, 4.0, 2.0), document(2, 4.0, 4.5), document(3, 4.0, 3.9)])
    assert proof.holds
    assert proof.numbers["held_out_change_high"] > 0
    assert "too few documents to be sure" in proof.detail
    assert [one["where"] for one in proof.findings] == ["stories.jsonl:2"]


def test_without_held_out_documents_the_trained_ones_are_judged() -> None:
    proof = prove([document(1, 4.0, 2.0, held_out=False)])
    assert proof.holds
    assert "there are none" in proof.not_covered
    assert not prove([document(1, 2.0, 4.0, held_out=False)]).holds


def test_a_model_that_became_useless_is_a_number_still() -> None:
    assert math.isfinite(prove([document(1, 4.0, 1e4)]).numbers["held_out_perplexity_served"])


def test_a_mark_that_the_server_puts_before_a_text_is_said() -> None:
    proof = prove([document(1, 4.0, 2.0)], marked=True)
    assert proof.holds
    assert "add_special_tokens: false" in proof.not_covered
