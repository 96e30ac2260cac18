"""The running server's defaults against the export's."""

from __future__ import annotations

import pytest

from orchestrator.proofs.sampling import prove
from orchestrator.recipe.sampling import ServedSampling

R1 = ServedSampling(temperature=0.6, top_p=0.95, max_tokens=100)
SERVED = {
    "temperature": 0.6000000238,
    "top_p": 0.95,
    "top_k": 0.0,
    "repetition_penalty": 1.0,
    "max_tokens": 100.0,
}


def test_the_same_values_hold_and_a_conversation_may_leave_less() -> None:
    proof = prove(R1, SERVED | {"max_tokens": 60.0, "min_p": 0.0})
    assert proof.holds
    assert proof.numbers["values"] == 5
    assert "temperature 0.6, top_p 0.95, max_tokens 100" in proof.covered


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": 1.0}, "temperature is 1, the export has 0.6"),
        ({"top_p": 1.0}, "top_p is 1, the export has 0.95"),
        ({"top_k": 50.0}, "top_k is 50, the export has 0"),
        ({"repetition_penalty": 1.1}, "repetition_penalty is 1.1, the export has 1"),
        ({"max_tokens": 4000.0}, "max_tokens is 4000, the export has 100"),
        ({"max_tokens": 0.0}, "max_tokens is 0, the export has 100"),
    ],
)
def test_fault_161_another_default_is_named(change: dict[str, float], said: str) -> None:
    proof = prove(R1, SERVED | change)
    assert not proof.holds
    assert said in proof.detail
    assert proof.hint


def test_a_server_that_does_not_say() -> None:
    assert "temperature is ?" in prove(R1, {}).detail
    assert not prove(ServedSampling(), {"temperature": 1.0, "top_p": 1.0, "top_k": 0.0}).holds
