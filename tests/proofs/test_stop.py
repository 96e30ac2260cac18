"""Every trained answer ends with a stop id of the server and holds none before; the files agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.proofs.stop import Served, prove
from orchestrator.proofs.trained import TrainedRow
from orchestrator.results import Proof

EOS, IM_START, IM_END, NEWLINE, END_OF_TEXT, SHELL = 4, 1, 2, 5, 0, 7
PIECES = {
    END_OF_TEXT: "<|endoftext|>",
    IM_START: "<|im_start|>",
    IM_END: "<|im_end|>",
    EOS: "<｜end▁of▁sentence｜>",
    NEWLINE: "Ċ",
    SHELL: "æµ·",
}
FILES = {
    "generation_config": "export/generation_config.json",
    "config": "export/config.json",
    "tokenizer_config": "export/tokenizer_config.json",
}


def row(line: int, *answers: Sequence[int], lost: Sequence[int] = ()) -> TrainedRow:
    """A row of answers; `lost` counts the tokens that each one lost at its end."""
    ids: list[int] = []
    turns: Any = []
    for number, answer in enumerate(answers):
        ids += [SHELL, SHELL]
        turns.append({"turn": number, "start": len(ids), "end": len(ids) + len(answer)})
        ids += answer
    took: Any = [
        {"turn": number, "context": 0, "labels": count, "thought_open": False}
        for number, count in enumerate(lost)
        if count
    ]
    return TrainedRow(
        f"data/海螺.jsonl:{line}", ids, turns, {"tokens": sum(lost), "turns": took} if took else None
    )


def served(*stop_ids: int, eos: int | None = EOS, **more: Any) -> Served:
    plain: dict[str, Any] = {"generation": tuple(stop_ids), "config": (), "files": FILES, "tokens": {}}
    return Served(frozenset(stop_ids), eos=eos, **plain | more)


def proven(rows: Sequence[TrainedRow], server: Served) -> Proof:
    return prove(rows, PIECES, server, {})


def test_answers_that_end_with_a_stop_id() -> None:
    proof = proven([row(1, [SHELL, EOS], [SHELL, EOS])], served(EOS, IM_END))
    assert proof.holds
    assert (proof.numbers["answers"], proof.numbers["stopped"], proof.findings) == (2, 2, ())
    assert proof.covered == (
        "2 trained answers in 1 rows; they end with <｜end▁of▁sentence｜> (4); the server stops at"
        " <|im_end|> (2), <｜end▁of▁sentence｜> (4)"
    )


def test_a_newline_after_the_stop_token_is_trained_too() -> None:
    rows = [row(1, [SHELL, IM_END, NEWLINE], [NEWLINE, IM_END, NEWLINE])]
    assert proven(rows, served(IM_END, eos=IM_END)).holds
    proof = proven(rows, served(END_OF_TEXT, eos=END_OF_TEXT))
    assert not proof.holds
    assert "2 trained answers end with <|im_end|> (2)" in next(
        one["what"] for one in proof.findings if one["kind"] == "does not stop"
    ), "the token before the newline is what has to stop it"


def test_one_newline_is_passed_over_and_no_more() -> None:
    rows = [row(1, [SHELL, IM_END, NEWLINE, NEWLINE])]
    assert not proven(rows, served(IM_END, eos=IM_END)).holds


def test_a_server_that_runs_on() -> None:
    proof = proven([row(3, [SHELL, IM_END, NEWLINE])], served(END_OF_TEXT, eos=END_OF_TEXT))
    assert not proof.holds
    assert proof.numbers["not_stopped"] == 1
    assert proof.detail == (
        "data/海螺.jsonl:3: 1 trained answers end with <|im_end|> (2), and the server stops only at"
        " <|endoftext|> (0): it continues"
    )
    assert proof.hint == '"eos_token_id": [0, 2] in export/generation_config.json'


def test_a_stop_id_inside_an_answer_cuts_it() -> None:
    rows = [row(1, [SHELL, EOS]), row(8, [SHELL, IM_END, SHELL, EOS])]
    proof = proven(rows, served(EOS, IM_END))
    assert not proof.holds
    assert proof.findings[0]["where"] == "data/海螺.jsonl:8"
    assert "contains <|im_end|> (2) before its end: the server stops there" in proof.detail
    assert proof.hint.endswith("or remove 2 from eos_token_id in export/generation_config.json")
    assert proven(rows, served(EOS)).holds


def test_answers_cut_before_their_stop_are_told_not_judged() -> None:
    rows = [row(1, [SHELL, EOS]), row(6, [SHELL, NEWLINE], lost=[9]), row(7, [SHELL, EOS], lost=[0, 4])]
    proof = proven(rows, served(EOS))
    assert proof.holds
    assert [(one["where"], one["what"]) for one in proof.findings] == [
        ("data/海螺.jsonl:6", "answer 1 is cut before its stop token"),
        ("data/海螺.jsonl:7", "answer 2 is not trained at all"),
    ]
    assert proof.numbers["cut_before_stop"] == 2
    assert proof.not_covered == "2 answers cut before their stop token"


def test_an_answer_cut_after_its_stop_token_has_it() -> None:
    proof = proven([row(1, [SHELL, IM_END], lost=[1])], served(IM_END, eos=IM_END))
    assert (proof.holds, proof.numbers["cut_before_stop"]) == (True, 0)


def test_nothing_that_teaches_to_stop_is_no_proof() -> None:
    proof = proven([row(1, [SHELL], lost=[5])], served(EOS))
    assert not proof.holds
    assert "nothing teaches the model to stop" in proof.detail
    assert not proven([], served(EOS)).holds


def test_a_wrong_eos_left_by_a_conversion() -> None:
    rows = [row(1, [SHELL, IM_END, NEWLINE])]
    proof = proven(rows, served(IM_START, IM_END, eos=IM_START, generation=(IM_END,)))
    assert not proof.holds
    assert proof.findings[0]["where"] == "export/tokenizer_config.json"
    assert "its eos_token is <|im_start|> (1)" in proof.detail
    assert proof.hint == '"eos_token": "<|im_end|>"'


def test_an_eos_that_is_not_the_trainers() -> None:
    rows = [row(1, [SHELL, EOS])]
    proof = proven(rows, served(EOS, IM_END, eos=IM_END, trained_eos=EOS))
    assert not proof.holds
    assert "the trainer's was <｜end▁of▁sentence｜> (4)" in proof.detail
    assert proof.hint == '"eos_token": "<｜end▁of▁sentence｜>"'
    assert not proven(rows, served(EOS, eos=None, trained_eos=EOS)).holds
    assert proven(rows, served(EOS, IM_END, eos=EOS, trained_eos=EOS)).holds


def test_a_base_whose_own_files_contradict_each_other() -> None:
    """The conversion's wrong eos was there before training, so answers were trained to end with it."""
    rows = [row(1, [SHELL, IM_START])]
    server = served(IM_START, EOS, eos=IM_START, generation=(EOS,), config=(EOS,), base_eos="<|im_start|>")
    proof = proven(rows, server)
    assert not proof.holds
    assert proof.findings[0]["where"] == "export/generation_config.json"


@pytest.mark.parametrize("config", [(), (END_OF_TEXT,)])
def test_an_eos_that_training_put_in_place_of_the_bases_is_told(config: tuple[int, ...]) -> None:
    """Qwen's base ends with <|endoftext|>; the template qwen makes it <|im_end|>; vLLM stops at both."""
    rows = [row(1, [SHELL, IM_END, NEWLINE])]
    server = served(
        END_OF_TEXT,
        IM_END,
        eos=IM_END,
        generation=(END_OF_TEXT,),
        config=config,
        base_eos="<|endoftext|>",
        trained_eos=IM_END,
    )
    proof = proven(rows, server)
    assert proof.holds
    assert proof.numbers["files_differ"] == 1 + len(config)
    assert proof.findings[0]["where"] == "export/generation_config.json"
    assert proof.findings[0]["hint"] == '"eos_token_id": [0, 2] in export/generation_config.json'


def test_facts_of_the_probe() -> None:
    facts: Any = {
        "stop_ids": [2, 4],
        "tokens": {"2": "<|im_end|>"},
        "eos_token_id": 4,
        "generation_config": {"file": "g", "eos_token_id": [4, 2]},
        "config": {"file": "c", "eos_token_id": None},
        "tokenizer_config": {"file": "t", "eos_token": "x", "eos_token_id": 4},
    }
    found = Served.of(facts, "x", 4)
    assert (found.stop_ids, found.generation, found.config) == (frozenset({2, 4}), (4, 2), ())
    assert found.tokens == {2: "<|im_end|>"}
