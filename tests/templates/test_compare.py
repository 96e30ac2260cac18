from __future__ import annotations

from typing import Any

import pytest

from orchestrator.templates.compare import ORDER, DifferenceKind, compare_turn, judge_ids, spellings
from orchestrator.templates.pieces import Pieces
from orchestrator.templates.prompt_diff import Training

PIECES = Pieces(
    {1: "<bos>", 2: "q", 3: "<think>", 4: "Ċ", 5: "ĊĊ", 6: "</think>", 7: "a", 8: "<eos>", 9: "z"}
)
CONTEXT, LABELS = [1, 2], [3, 5, 6, 5, 7, 8]

CASES = {
    "equal": ([1, 2], DifferenceKind.EQUAL, 2),
    "prefill": ([1, 2, 3, 5], DifferenceKind.PREFILL, 2),
    "whole answer": ([1, 2, *LABELS], DifferenceKind.PREFILL, 2),
    "missing": ([1], DifferenceKind.MISSING, 1),
    "nothing": ([], DifferenceKind.MISSING, 0),
    "forced": ([1, 2, 3, 4], DifferenceKind.FORCED, 3),
    "forced at once": ([1, 2, 9], DifferenceKind.FORCED, 2),
    "beyond": ([1, 2, *LABELS, 9], DifferenceKind.FORCED, 8),
    "differs": ([9, 2], DifferenceKind.DIFFERS, 0),
    "doubled": ([1, 1, 2], DifferenceKind.DIFFERS, 1),
}


@pytest.mark.parametrize(("served", "kind", "position"), CASES.values(), ids=CASES)
def test_verdicts(served: list[int], kind: DifferenceKind, position: int) -> None:
    assert judge_ids(CONTEXT, LABELS, served) == (kind, position)


def test_only_equal_and_prefill_hold() -> None:
    assert [kind.value for kind in ORDER] == ["equal", "prefill", "missing", "forced", "differs"]
    assert [kind.holds for kind in ORDER] == [True, True, False, False, False]


def variant(ids: list[int], name: str = "thought", **more: Any) -> Any:
    return {"names": [name], "lossy": False, "ids": ids, "error": ""} | more


def verdict(*variants: dict[str, Any], training: Training | None = None) -> Any:
    trained: Any = {"turn": 0, "context": CONTEXT, "labels": LABELS}
    served: Any = {"turn": 0, "variants": list(variants)}
    return compare_turn(
        ("mine", 7), trained, served, training or Training("deepseekr1", bos=1), (PIECES, PIECES)
    )


def test_a_turn_is_as_bad_as_its_worst_spelling() -> None:
    found = verdict(variant([1, 2]), variant([1, 9], "newlines"), variant([1, 2, 3], "emitted"))
    assert (found.verdict, found.spelling, found.position) == (DifferenceKind.DIFFERS, "newlines", 1)
    assert (found.training_id, found.served_id) == (2, 9)
    assert found.training_text.startswith("<bos>⟦q⟧<think>")
    assert found.served_text == "<bos>⟦z⟧"
    assert found.explanation
    assert found.hint


def test_an_equal_turn_needs_no_words() -> None:
    found = verdict(variant([1, 2]))
    assert (found.verdict, found.explanation, found.spelling) == (DifferenceKind.EQUAL, "", "thought")
    assert (found.dataset, found.row, found.turn) == ("mine", 7, 0)


def test_a_prefill_is_told_and_holds() -> None:
    found = verdict(variant([1, 2, 3, 5]))
    assert found.verdict is DifferenceKind.PREFILL
    assert "harmless" in found.explanation


def test_a_side_that_has_ended_has_no_id() -> None:
    found = verdict(variant([1]))
    assert (found.training_id, found.served_id, found.served_text) == (2, None, "<bos>⟦⟧")


def test_a_client_that_drops_a_kept_thought_does_not_decide() -> None:
    lost = variant([1, 9], "answer", lossy=True)
    found = verdict(variant([1, 2]), lost)
    assert (found.verdict, found.dropped) == (DifferenceKind.EQUAL, True)
    stripped = Training("deepseekr1", mask_history=True)
    assert verdict(variant([1, 2]), lost, training=stripped).verdict is DifferenceKind.DIFFERS


def test_the_same_text_in_other_ids_is_out_of_reach() -> None:
    trained: Any = {"turn": 0, "context": [1, 4, 4], "labels": LABELS}
    served: Any = {"turn": 0, "variants": [variant([1, 5])]}
    found = compare_turn(("mine", 7), trained, served, Training("deepseekr1", bos=1), (PIECES, PIECES))
    assert (found.verdict, found.unreachable) == (DifferenceKind.DIFFERS, True)
    assert not verdict(variant([1, 9])).unreachable


def test_one_spelling_out_of_reach_is_told_before_one_that_a_template_could_fix() -> None:
    trained: Any = {"turn": 0, "context": [1, 4, 4], "labels": LABELS}
    served: Any = {
        "turn": 0,
        "variants": [variant([1, 9]), variant([1, 5], "newlines"), variant([1, 9], "answer")],
    }
    found = compare_turn(("mine", 7), trained, served, Training("deepseekr1", bos=1), (PIECES, PIECES))
    assert (found.spelling, found.unreachable) == ("newlines", True)


def test_every_spelling_has_its_verdict() -> None:
    trained: Any = {"context": CONTEXT, "labels": LABELS}
    variants = [variant([1, 2]), variant([1, 9], "newlines"), variant([], "emitted", error="no")]
    assert spellings(trained, {"variants": variants}) == {
        "thought": DifferenceKind.EQUAL,
        "newlines": DifferenceKind.DIFFERS,
        "emitted": DifferenceKind.DIFFERS,
    }


def test_a_refused_request_differs_with_the_servers_words() -> None:
    found = verdict(variant([], error="no such role"))
    assert found.verdict is DifferenceKind.DIFFERS
    assert "no such role" in found.explanation
