"""The fold over live requests: as bad as the worst client that decides."""

from __future__ import annotations

from typing import Any

from orchestrator.proofs.served import Judged, prove
from orchestrator.templates.compare import DifferenceKind, TurnVerdict


def judged(client: str, kind: DifferenceKind, *, generated: bool = False, **more: Any) -> Judged:
    words = {} if kind.holds else {"explanation": f"it {kind.value}", "hint": "fix it"}
    return Judged(client, "数据.jsonl:3", TurnVerdict("mine", 3, 1, kind, **{**words, **more}), generated)


def of(*requests: Judged, returned: int = 1) -> Any:
    return prove(
        requests,
        rows=2,
        with_system=1,
        returned=returned,
        skipped={"prompts longer than the server takes": 0},
    )


def test_what_is_equal_or_prefilled_holds() -> None:
    proof = of(
        judged("a", DifferenceKind.EQUAL),
        judged("a", DifferenceKind.PREFILL),
        judged("b", DifferenceKind.EQUAL),
    )
    assert proof.holds
    assert (
        proof.covered
        == "3 requests for 2 rows (1 with a system prompt), in 2 ways in which clients send them"
    )
    assert (proof.numbers["equal"], proof.numbers["client:a"]) == (2, 2)
    assert proof.not_covered == ""


def test_the_worst_client_is_named() -> None:
    proof = of(
        judged("a", DifferenceKind.EQUAL),
        judged("b", DifferenceKind.MISSING),
        judged("c", DifferenceKind.DIFFERS),
    )
    assert not proof.holds
    assert "a client that sends c: it differs" in proof.detail
    assert proof.hint == "fix it"
    assert [finding["client"] for finding in proof.findings] == ["c", "b"]
    assert proof.findings[0]["where"] == "数据.jsonl:3"


def test_a_client_that_lost_a_kept_thought_is_told_and_does_not_decide() -> None:
    proof = of(judged("a", DifferenceKind.EQUAL), judged("b", DifferenceKind.EQUAL, dropped=True))
    assert proof.holds
    assert "1 requests of clients that lose a thought" in proof.not_covered


def test_a_made_up_row_out_of_reach_is_told_and_does_not_decide() -> None:
    proof = of(
        judged("a", DifferenceKind.EQUAL),
        judged("b", DifferenceKind.DIFFERS, unreachable=True, generated=True),
    )
    assert proof.holds
    assert proof.numbers["requests"] == 1
    assert "1 requests for generated answers" in proof.not_covered
    assert not of(
        judged("a", DifferenceKind.EQUAL), judged("b", DifferenceKind.DIFFERS, unreachable=True)
    ).holds


def test_nothing_asked_proves_nothing() -> None:
    assert not of().holds


def test_an_answer_that_never_came_back_word_for_word_is_said() -> None:
    assert "word for word" in of(judged("a", DifferenceKind.EQUAL), returned=0).not_covered
