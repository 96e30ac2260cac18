"""The tokenizer proof: the same texts, read in two environments."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.proofs.tokenizer import prove

TEXTS = ("a b\n你", "🦀 code(x)", "<think>")


def header(version: str = "5.19.0", loads: str = "Qwen2Tokenizer", lost: str = "", **changes: Any) -> Any:
    """A probe's header; `lost` are characters that its tokenizer drops."""
    kept = {text: "".join(letter for letter in text if letter not in lost) for text in TEXTS}
    texts = [{"text": t, "ids": list(map(ord, back)), "decoded": back} for t, back in kept.items()]
    return {
        "versions": {"transformers": version, "python": "3.11.7"},
        "tokenizer": loads,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "texts": texts,
    } | changes


def test_equal_readings_hold_and_name_both_sides() -> None:
    proof = prove(header("5.5.4", "TokenizersBackend"), header())
    assert proof.holds, proof
    assert (proof.detail, proof.hint, proof.findings) == ("", "", ())
    assert proof.numbers["texts"] == 3
    assert "train: TokenizersBackend, transformers 5.5.4; serve: Qwen2Tokenizer, transformers 5.19.0" in (
        proof.covered
    )


@pytest.mark.parametrize("version", ["5.6.0", "5.6.2", "5.7.0"])
def test_the_layout_that_transformers_reads_wrongly_is_named_with_the_versions_and_the_fix(
    version: str,
) -> None:
    proof = prove(header(version, "LlamaTokenizer", lost=" \n你"), header())
    assert not proof.holds
    assert proof.numbers == {
        "texts": 3,
        "other_ids": 2,
        "misread_in_training": 2,
        "misread_in_serving": 0,
    }
    for part in (
        repr("a b\n你"),
        "'ab' in the train environment",
        f"LlamaTokenizer, transformers {version}, ids [97, 98]",
        "Qwen2Tokenizer, transformers 5.19.0, ids [97, 32, 98, 10, 20320]",
        "5.6.0 to 5.7.0",
    ):
        assert part in proof.detail
    assert "model.tokenizer: corrected" in proof.hint
    assert "conch env sync train" in proof.hint
    assert proof.findings[0]["train"] == {"ids": [97, 98], "decoded": "ab"}


def test_a_version_outside_the_known_ones_is_not_blamed_for_their_fault() -> None:
    proof = prove(header("5.8.0", "LlamaTokenizer", lost=" "), header())
    assert not proof.holds
    assert "5.6.0 to 5.7.0" not in proof.detail
    assert "LlamaTokenizer builds a tokenizer by Llama's rules" in proof.detail


def test_a_serving_side_that_misreads_is_the_one_that_is_fixed() -> None:
    proof = prove(header("5.5.4"), header("5.7.0", "LlamaTokenizer", lost=" "))
    assert not proof.holds
    assert "conch env sync serve" in proof.hint


def test_both_reading_a_text_wrongly_alike_is_no_proof() -> None:
    proof = prove(header(lost=" "), header(lost=" "))
    assert not proof.holds
    assert proof.numbers["other_ids"] == 0


def test_normal_form_c_is_no_loss_and_another_form_is() -> None:
    for decoded, holds in (("caf\u00e9", True), ("cafe", False)):
        texts = [{"text": "cafe\u0301", "ids": [7], "decoded": decoded}]
        assert prove(header(texts=texts), header(texts=texts)).holds is holds


def test_a_token_of_one_side_alone_is_told() -> None:
    more = [*header()["texts"], {"text": "<|im_end|>", "ids": [9], "decoded": "<|im_end|>"}]
    proof = prove(header(texts=more), header())
    assert not proof.holds
    assert "'<|im_end|>'" in proof.detail
    assert "template of this model's own family" in proof.hint
    assert not prove(header(), header(texts=more)).holds


@pytest.mark.parametrize("key", ["bos_token_id", "eos_token_id"])
def test_another_begin_or_end_of_sentence_is_told(key: str) -> None:
    proof = prove(header() | {key: 5}, header())
    assert not proof.holds
    assert "is id 5 in the train environment" in proof.detail


def test_an_end_of_sentence_that_the_training_template_sets_is_not_this_proofs_question() -> None:
    published = {"bos_token_id": 1, "eos_token_id": 2}
    assert prove(header(eos_token_id=9, published=published), header()).holds
    assert not prove(header(published=published | {"eos_token_id": 9}), header()).holds


def test_no_text_proves_nothing() -> None:
    assert not prove(header(texts=[]), header(texts=[])).holds
