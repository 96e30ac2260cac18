"""What cutoff_len took is told by file:line and judged by the limit; thoughts that stay are found."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest

from orchestrator.execute.proving.probe_files import HELD_OUT
from orchestrator.proofs.findings import LISTED
from orchestrator.proofs.trained import TrainedRow
from orchestrator.proofs.truncation import fits, prove
from orchestrator.results import Proof

HEADER = {"template": "deepseekr1", "thinking": True, "mask_history": False, "cutoff_len": 16}
THOUGHT = "<think>\n想\n</think>\n\n答"


def row(line: int, *answers: str, lost: Any = None) -> TrainedRow:
    messages = [
        {"role": role, "content": text}
        for answer in answers or ("答",)
        for role, text in (("user", "海螺几点开门？"), ("assistant", answer))
    ]
    turns: Any = [{"turn": 0, "start": 4, "end": 16}]
    return TrainedRow(f"data/海螺.jsonl:{line}", list(range(16)), turns, lost, messages)


def cut(
    line: int, tokens: int = 10, *, turn: int = 0, context: int = 0, thought_open: bool = False
) -> TrainedRow:
    loss = {"turn": turn, "context": context, "labels": tokens - context, "thought_open": thought_open}
    return row(line, lost={"tokens": tokens, "turns": [loss]})


def proven(rows: Iterable[TrainedRow], limit: float | None = None, **header: Any) -> Proof:
    return prove(rows, cast("Any", HEADER | header), limit, {})


def test_nothing_cut_holds_under_the_strictest_limit() -> None:
    proof = proven([row(1), row(2)], 0.0)
    assert proof.holds
    assert (proof.numbers["rows"], proof.numbers["cut_rows"], proof.detail, proof.findings) == (2, 0, "", ())
    assert proof.covered == "2 trained answers in 2 rows, cutoff_len 16"


def test_a_cut_is_told_by_file_and_line() -> None:
    proof = proven([row(1), cut(7, 10, context=3, thought_open=True)])
    assert proof.holds, "no limit: told, not judged"
    (finding,) = proof.findings
    assert finding["where"] == "data/海螺.jsonl:7"
    assert finding["what"] == (
        "cut to 16 of 26 tokens: answer 1 loses its last 7 tokens and its end; the prompt before answer 1"
        " loses its last 3 tokens, the assistant's mark among them; the thought of answer 1 is never closed"
    )
    assert finding["hint"].startswith("data.cutoff_len: 27 ")
    numbers = {name: proof.numbers[name] for name in ("cut_rows", "lost_tokens", "lost_answer_tokens")}
    assert numbers == {"cut_rows": 1, "lost_tokens": 10, "lost_answer_tokens": 7}
    assert (proof.numbers["lost_prompt_tokens"], proof.numbers["open_thoughts"]) == (3, 1)
    assert "cuts 1 of 2 rows, 50.00%: data/海螺.jsonl:7" in proof.detail


def test_an_answer_that_is_gone_is_not_one_that_lost_its_end() -> None:
    proof = proven([cut(3, turn=1)])
    assert (proof.numbers["cut_answers"], proof.numbers["answers_not_trained"]) == (0, 1)
    assert "answer 2 is not trained at all" in proof.findings[0]["what"]


@pytest.mark.parametrize(
    ("limit", "holds"), [(None, True), (0.0, False), (0.24, False), (0.25, True), (1.0, True)]
)
def test_the_limit_is_a_share_of_the_rows(limit: float | None, *, holds: bool) -> None:
    proof = proven([row(1), cut(2), row(3), row(4)], limit)
    assert proof.holds is holds
    assert proof.numbers["cut_share"] == 0.25
    assert "data/海螺.jsonl:2" in proof.detail
    assert "data.cutoff_len: 27 keeps every row" in proof.hint


def test_cutoffs_that_keep_all_and_most() -> None:
    assert fits({10: 99, 40: 1}, 1.0) == 41
    assert fits({10: 99, 40: 1}, 0.99) == 11
    assert fits({}, 1.0) == 0
    rows = [*(row(line) for line in range(99)), cut(100, 200)]
    proof = proven(rows)
    assert (proof.numbers["cutoff_len_for_all"], proof.numbers["cutoff_len_for_99_percent"]) == (217, 17)


def test_a_thought_that_stays_although_thinking_is_off() -> None:
    rows = [row(1, THOUGHT), row(2, "<think>x</think>y"), row(3, "看 <think> 标签")]
    proof = proven(rows, thinking=False)
    assert not proof.holds
    assert [(one["where"], one["kind"]) for one in proof.findings] == [
        ("data/海螺.jsonl:2", "thought not removed"),
        ("data/海螺.jsonl:3", "mark of a thought"),
    ]
    assert "teaches the model to think" in proof.detail
    assert r"write it as <think>\n…\n</think>\n\n" in proof.hint
    assert proof.numbers["thoughts_removed_by_thinking_off"] == 1
    assert proven([row(1, THOUGHT)], thinking=False).holds


def test_an_earlier_thought_that_stays_although_history_is_stripped() -> None:
    rows = [row(1, THOUGHT, "y"), row(2, "<think>x</think>y", "<think>x</think>y")]
    proof = proven(rows, mask_history=True)
    assert not proof.holds
    assert [one["where"] for one in proof.findings] == ["data/海螺.jsonl:2"]
    assert proof.findings[0]["what"].startswith("answer 1 is an earlier answer")
    assert proof.numbers["thoughts_removed_from_history"] == 1
    assert proven(rows).holds, "history kept: nothing says that it goes"


def test_a_template_that_removes_nothing_is_named() -> None:
    proof = proven([row(1, THOUGHT)], thinking=False, template="chatml")
    assert "template chatml removes no thoughts" in proof.findings[0]["what"]
    assert "spell it" not in proof.hint


def test_no_row_is_no_proof() -> None:
    assert not proven([]).holds


def test_what_was_passed_over_is_said() -> None:
    proof = prove([row(1)], cast("Any", HEADER), None, {HELD_OUT: 3})
    assert proof.not_covered == "3 rows held out of training"


def test_memory_does_not_grow_with_the_rows() -> None:
    def peak(number: int) -> int:
        def many() -> Iterator[TrainedRow]:
            for line in range(number):
                yield cut(line) if line % 2 else row(line, "<think>x</think>y")

        tracemalloc.start()
        proof = proven(many(), 0.0, thinking=False)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(proof.findings) == LISTED
        return found

    assert peak(20_000) < 1.5 * peak(1_000)
