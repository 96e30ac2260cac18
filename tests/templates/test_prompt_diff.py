from __future__ import annotations

from typing import Any

import pytest

from orchestrator.proofs.tokenizer import explain_round_trip
from orchestrator.templates.causes import explain
from orchestrator.templates.pieces import Pieces
from orchestrator.templates.prompt_diff import Difference, Training

TOKENS = [
    "<bos>",
    "<｜User｜>",
    "q",
    "<｜Assistant｜>",
    "<think>",
    "Ċ",
    "ĊĊ",
    "</think>",
    "a",
    "<eos>",
    "You",
    "t",
]
BOS, USER, Q, ASSISTANT, THINK, NL, NL2, CLOSE, A, EOS, YOU, T = range(len(TOKENS))
PIECES = Pieces(dict(enumerate(TOKENS)))
EMPTY = [THINK, NL2, CLOSE, NL2]
ASK = [BOS, USER, Q, ASSISTANT]


def told(kind: str, position: int, trained: list[int], served: list[int], **more: object) -> str:
    training = Training("deepseekr1", mask_history=bool(more.pop("mask_history", False)), bos=BOS)
    labels = [*EMPTY, A, EOS]
    difference = Difference(kind, position, trained, labels, served, **more)  # type: ignore[arg-type]  # test data
    sentence, hint = explain(difference, training, (PIECES, PIECES))
    assert hint or kind == "prefill"
    return sentence


def test_the_newer_official_template_forces_a_thought() -> None:
    sentence = told("forced", 5, ASK, [*ASK, THINK, NL])
    assert "writes the beginning of the answer itself, '<think>\\n'" in sentence
    assert "'<think>\\n\\n</think>\\n\\na<eos>'" in sentence


def test_a_missing_empty_thought() -> None:
    sentence = told("missing", 4, [*ASK, *EMPTY], ASK)
    assert "continues with '<think>\\n\\n</think>\\n\\n'" in sentence
    assert "never learned" in sentence


def test_another_thought_is_opened_in_an_empty_ones_place() -> None:
    assert "opens another one" in told("differs", 5, [*ASK, *EMPTY], [*ASK, THINK, NL])


@pytest.mark.parametrize(
    ("trained", "served", "mask", "words"),
    [
        ([THINK, NL, T, NL, CLOSE, NL2, A, EOS], [A, EOS], False, "removes an earlier answer's thought"),
        ([A, EOS], [THINK, NL, T, NL, CLOSE, NL2, A], True, "training removed (mask_history: true)"),
        ([A, EOS], [THINK, NL, T, NL, CLOSE, NL2, A], False, "was not trained"),
    ],
)
def test_thoughts_in_history(trained: list[int], served: list[int], *, mask: bool, words: str) -> None:
    assert words in told("differs", 4, [*ASK, *trained], [*ASK, *served], mask_history=mask)


def test_a_doubled_begin_of_sentence() -> None:
    assert "twice" in told("differs", 1, ASK, [BOS, *ASK])


def test_a_default_system_prompt() -> None:
    assert "default system prompt" in told("differs", 1, ASK, [BOS, YOU, *ASK[1:]])


def test_the_same_text_in_other_ids_is_unreachable() -> None:
    sentence = told("differs", 5, [*ASK, THINK, NL2, A], [*ASK, THINK, NL, NL, A])
    assert sentence.startswith("unreachable")
    assert "same text, other ids" in sentence


def test_the_servers_own_refusal_is_passed_on() -> None:
    assert "rejects this request: tools" in told("differs", 0, ASK, [], error="tools")


def test_anything_else_shows_both_texts() -> None:
    assert told("differs", 2, ASK, [BOS, USER, A, ASSISTANT]) == (
        "trained on 'q<｜Assistant｜>' where the server sends 'a<｜Assistant｜>'"
    )


def header(version: str, *failures: dict[str, str]) -> Any:
    return {
        "tokenizer": "LlamaTokenizer",
        "versions": {"transformers": version},
        "round_trip": {"ok": not failures, "failures": list(failures)},
    }


def test_a_tokenizer_that_drops_text_is_named_with_its_version() -> None:
    broken = header("5.6.0", {"text": "a b\n你", "decoded": "ab"})
    found = explain_round_trip(broken, header("5.19.0"))
    assert found
    sentence, hint = found
    assert "train environment's tokenizer (LlamaTokenizer, transformers 5.6.0)" in sentence
    assert "'a b\\n你' as 'ab'" in sentence
    assert "5.5.x" in hint
    assert "PreTrainedTokenizerFast" in hint
    cause = explain_round_trip(header("5.5.4"), broken)
    assert cause
    assert "serve environment's" in cause.explanation
    assert "serve 环境" in cause.hint.zh
    assert explain_round_trip(header("5.5.4"), header("5.19.0")) is None
