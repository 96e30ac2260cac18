"""Every prepared row is in the trainer's hands, or the proof says which is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.proofs.rows import Loaded, prove

WHOLE = Loaded("海螺", "train", 70, 70, 70)
TEST = Loaded("海螺_test", "test", 20, 20, 20)


def test_what_is_whole_holds() -> None:
    proof = prove([WHOLE, TEST])
    assert (proof.name, proof.holds, proof.detail) == ("rows", True, "")
    assert proof.covered.startswith("90 prepared rows (70 for train, 20 for test)")
    assert proof.numbers == {"rows": 90, "rows_train": 70, "rows_test": 20, "missing": 0}


@pytest.mark.parametrize(
    ("broken", "said", "missing"),
    [
        (replace(WHOLE, kept=69), "LLaMA-Factory reads 70 and keeps 69", 1),
        (replace(WHOLE, read=69, kept=69), "LLaMA-Factory reads 69", 1),
        (replace(WHOLE, read=71, kept=71), "LLaMA-Factory reads 71", 0),
        (replace(WHOLE, read=None, kept=None), "the loader did not load them", 70),
        (replace(WHOLE, changed=True), "the file was changed since", 0),
    ],
)
def test_what_is_not_refutes_it(broken: Loaded, said: str, missing: int) -> None:
    proof = prove([broken, TEST])
    assert not proof.holds
    assert said in proof.detail
    assert proof.numbers["missing"] == missing
    assert proof.hint


def test_missing_rows_are_named() -> None:
    proof = prove([replace(WHOLE, kept=67, missing=("海螺.jsonl:3", "海螺.jsonl:8", "海螺.jsonl:9"))])
    assert proof.detail.endswith(": 海螺.jsonl:3, 海螺.jsonl:8, 海螺.jsonl:9")
    assert next(one["where"] for one in proof.findings if one["kind"] == "missing") == "海螺.jsonl:3"


def test_nothing_prepared_is_nothing_proven() -> None:
    assert not prove([]).holds
