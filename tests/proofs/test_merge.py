"""What the merge proof says of facts; tests/probes/test_merge_check.py has the same over real files."""
# Covers proofs/merge_words.py proofs/merge_facts.py

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.proofs.merge import prove

FILES = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def facts(*bad: dict[str, Any], **more: Any) -> Any:
    """Ten updates and five other tensors in two files, right but for what is given."""
    told = [{"kind": "merged", "file": FILES[0], "finite": True, "alpha": 32.0, **each} for each in bad]
    files = {file: {"tensors": 8, "bad": 0, "taught": 5} for file in FILES}
    for each in told:
        files[each["file"]]["bad"] += 1
    return {
        "method": "lora",
        "dtypes": {"base": "F32", "loaded": "float32", "adapter": "F32", "export": "BF16"},
        "seed": 0,
        "sample": 524288,
        "tensors": {"merged": 10, "untouched": 5},
        "values": 4000,
        "looked": 1000,
        "modules": 10,
        "silent": [],
        "unmatched": [],
        "changed": 10,
        "invisible": 0,
        "scales": [2.0],
        "fit": [0.99, 1.01],
        "worst": 0.5,
        "files": files,
        "bad": told,
        "bad_number": len(told),
        "missing": [],
        "extra": [],
        "resized": {},
        "uncovered": {},
        "problems": [],
        **more,
    }


def module(name: str, looks: str, **more: Any) -> Any:
    return {"tensor": f"{name}.weight", "module": name, "looks": looks, **more}


def test_a_merge_that_holds_says_over_what() -> None:
    proof = prove(facts())
    assert proof.holds
    assert proof.detail == "10 updates are merged at scale 2, and every other tensor is as expected"
    assert "15 tensors of the export (10 merged, 5 untouched), 1000 of 4000 values (25%" in proof.covered
    assert proof.numbers["least_fit"] == 0.99
    assert "not drawn" in proof.not_covered
    assert (proof.hint, proof.findings) == ("", ())


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (facts(problems=[{"file": "export/x", "what": "cannot be read"}]), "export/x cannot be read"),
        (facts(missing=["a", "b", "c", "d"]), "lacks a, b, c and 1 more of the base"),
        (facts(extra=["a"]), "made from another base model"),
        (facts(unmatched=["a"]), "it belongs to another base model"),
        (facts(modules=0, tensors={"untouched": 15}), "affects no module"),
        (
            facts(silent=[f"{i}" for i in range(10)], changed=0),
            "the update of each of its 10 modules is zero",
        ),
        (facts(changed=0), "large enough to change a weight in BF16: the export is the base model"),
        (facts(module("q", "base"), changed=0), "the export is the base model: none of the 10"),
        (facts(module("q", "base"), module("k", "base")), "q, k (2 of 10) are not merged"),
        (facts(module("q", "scaled", times=0.5)), "0.5 times the update (lora_alpha 16 instead of 32)"),
        (facts(module("q", "part", share=0.5)), "q (1 of 10) are merged in part"),
        (facts(module("q", "other adapter", rank_found=8)), "of rank 8: a stale merge"),
        (facts(module("q", "other", share=1.0)), "neither the base's weights nor the merge's"),
        (facts({"tensor": "norm", "kind": "untouched", "share": 1.0}), "another revision of it"),
        (facts({"tensor": "norm", "kind": "untouched", "finite": False}), "undefined numbers in norm"),
    ],
)
def test_what_is_wrong_is_named(found: Any, said: str) -> None:
    proof = prove(found)
    assert not proof.holds
    assert said in proof.detail
    assert proof.hint


def test_a_shard_that_is_wrong_whole_while_the_other_is_right() -> None:
    wrong = [module(f"m{i}", "other adapter", rank_found=8, file=FILES[1]) for i in range(5)]
    assert f"{FILES[1]} is another export's shard: 5 tensors" in prove(facts(*wrong)).detail
    assert "a stale merge" in prove(facts(*wrong[:4])).detail
    bases = [module(f"m{i}", "base", file=FILES[1]) for i in range(5)]
    assert f"{FILES[1]} is the base's own shard" in prove(facts(*bases)).detail


def test_what_could_not_be_seen_is_said() -> None:
    proof = prove(facts(uncovered={"DoRA": 3}, resized={"table": [32, 64]}, invisible=2))
    assert proof.holds
    assert "3 modules: DoRA; " in proof.not_covered
    assert "2 updates too small to be seen in BF16" in proof.not_covered
    assert "table has 64 rows, the base 32" in proof.not_covered


def test_findings_are_sentences_with_their_file() -> None:
    wrong = [module(f"m{i}", "scaled", times=2.0) for i in range(60)]
    proof = prove(facts(*wrong))
    assert len(proof.findings) == 50
    assert proof.findings[0]["what"] == "m0 carries 2 times the update"
    assert proof.findings[0]["where"] == FILES[0]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_fault_155_no_compared_value_is_no_proof(method: str) -> None:
    proof = prove(facts(method=method, tensors={"untouched": 5}, looked=0, values=0))
    assert not proof.holds
    assert proof.detail == "no value of any tensor was compared"
