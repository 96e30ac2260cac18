"""The fold behind `conch why`: every place at which the effect can be lost, and what is said of it."""

from __future__ import annotations

import pytest

from orchestrator.proofs import PROOFS, why
from orchestrator.proofs.why import Explanation, StageAnswers, first_loss
from orchestrator.results import Proof

ASKED = 4


def arms(*good: int, answers: str = "") -> list[StageAnswers]:
    """Arms in order, of which so many of ASKED cases are right, the first ones."""
    made = []
    for name, number in zip(why.STAGES, good, strict=False):
        passed = {f"checks[{at}]": at < number for at in range(ASKED)}
        said = {case: "海螺" if right else f"不知道{answers and name}" for case, right in passed.items()}
        made.append(StageAnswers(name, passed, said))
    return made


def refuted(name: str, **more: object) -> Proof:
    finding = {"what": "a row of it", "where": "rows.jsonl:3"}
    return Proof(name, False, "all", detail=f"{name} is wrong", hint=f"fix {name}", findings=(finding,))


def found(made: list[StageAnswers], *proofs: Proof) -> Explanation:
    return first_loss(made, proofs, recipe="海螺")


PLACES: dict[str, tuple[tuple[int, ...], str, tuple[str, ...]]] = {
    "nothing": ((0, 4, 4, 4, 4), "", ()),
    "nothing, though the base knew it": ((4, 4, 4, 4, 4), "", ()),
    "nothing, half was taught": ((1, 2, 2, 2, 2), "", ()),
    "training": ((1, 1, 1, 1, 1), why.TRAINING, ("checks[1]", "checks[2]", "checks[3]")),
    "training made it worse": ((2, 1, 1, 1, 1), why.TRAINING, ("checks[1]", "checks[2]", "checks[3]")),
    "merge": ((0, 4, 0, 0, 0), why.MERGE, ("checks[0]", "checks[1]", "checks[2]", "checks[3]")),
    "a part of it in the merge": ((0, 4, 3, 0, 0), why.MERGE, ("checks[3]",)),
    "merge, no server asked": ((0, 4, 3), why.MERGE, ("checks[3]",)),
    "served weights": ((0, 3, 3, 2, 0), why.SERVED_WEIGHTS, ("checks[2]",)),
    "served prompt": ((0, 3, 3, 3, 1), why.SERVED_PROMPT, ("checks[1]", "checks[2]")),
}


@pytest.mark.parametrize(("good", "place", "cases"), PLACES.values(), ids=PLACES)
def test_the_first_place_is_named(good: tuple[int, ...], place: str, cases: tuple[str, ...]) -> None:
    told = found(arms(*good))
    assert (told.lost_at, told.cases) == (place, cases)
    assert bool(told.hint) == bool(place)
    assert ("nothing is lost" in told.sentence) == (not place)
    assert str(good[1]) in told.sentence


def test_one_question_that_flips_is_enough_even_where_the_counts_agree() -> None:
    one, other = {"a": True, "b": False}, {"a": False, "b": True}
    made = [
        StageAnswers(why.BASE, {"a": False, "b": False}),
        StageAnswers(why.ADAPTER, one),
        StageAnswers(why.MERGED, other),
    ]
    assert (found(made).lost_at, found(made).cases) == (why.MERGE, ("a",))


def test_without_the_ids_arm_the_server_is_named_as_a_whole() -> None:
    made = [arm for arm in arms(0, 4, 4, 4, 1) if arm.name != why.SERVED_IDS]
    told = found(made, refuted("parity:served"))
    assert told.lost_at == why.SERVED
    assert "proof parity:served does not hold: parity:served is wrong" in told.evidence


def test_a_tokenizer_that_reads_otherwise_comes_before_everything_that_is_lost() -> None:
    for good in ((0, 0, 0), (0, 4, 4, 4, 0)):
        told = found(arms(*good), refuted("tokenizer"), refuted("parity:served"))
        assert told.lost_at == why.DATA
        assert told.evidence[:1] == ("proof tokenizer does not hold: tokenizer is wrong",) or told.evidence
        assert told.hint.startswith("fix tokenizer")
    kept = found(arms(0, 4, 4, 4, 4), refuted("tokenizer"))
    assert kept.lost_at == ""
    assert kept.evidence == ("proof tokenizer does not hold: tokenizer is wrong",)


@pytest.mark.parametrize("place", [place for place in why.LOSSES if place != why.SERVED])
def test_the_proof_of_that_place_is_the_evidence_and_its_fix_comes_first(place: str) -> None:
    good = {
        why.DATA: (0, 4, 4, 4, 0),
        why.TRAINING: (0, 0),
        why.MERGE: (0, 4, 0),
        why.SERVED_WEIGHTS: (0, 4, 4, 0, 0),
        why.SERVED_PROMPT: (0, 4, 4, 4, 0),
    }[place]
    witness = why.LOSSES[place].proofs[0]
    told = found(arms(*good), refuted(witness), Proof("stop", True, "all"))
    assert told.lost_at == place
    assert f"proof {witness} does not hold: {witness} is wrong" in told.evidence
    assert "  rows.jsonl:3  a row of it" in told.evidence
    assert told.hint.startswith(f"fix {witness}; ")
    assert "海螺" in told.hint


def test_every_witness_is_a_proof() -> None:
    assert {name for loss in why.LOSSES.values() for name in loss.proofs} <= set(PROOFS)
    assert all(loss.hint.zh != loss.hint for loss in why.LOSSES.values())


def test_answers_that_are_the_bases_say_so() -> None:
    assert (
        "merged answers 4 of 4 lost questions word for word as the base does" in found(arms(0, 4, 0)).evidence
    )
    assert not found(arms(0, 4, 0, answers="own")).evidence


def test_a_proof_that_holds_though_the_answers_do_not_is_called_old() -> None:
    told = found(arms(0, 4, 0), Proof("merge", True, "272 tensors"))
    assert any(line.startswith("proof merge held when it was made") for line in told.evidence)


def test_what_was_changed_since_and_where_prompts_part_is_told() -> None:
    changed = ("export/model.safetensors  was changed",)
    told = first_loss(arms(0, 4, 0), (), recipe="r", changed=changed, parted={"checks[0]": "at token 5"})
    assert changed[0] in told.evidence
    assert "at token 5" not in told.evidence
    told = first_loss(
        arms(0, 4, 4, 4, 0), (), recipe="r", changed=changed, parted={"checks[0]": "at token 5"}
    )
    assert {"at token 5", *changed} <= set(told.evidence)
    assert changed[0] not in first_loss(arms(0, 0), (), recipe="r", changed=changed).evidence


def test_rows_that_were_cut_are_the_advice_where_training_taught_nothing() -> None:
    numbers = {"cut_rows": 3}
    cut = Proof(
        "truncation", True, "9 rows", numbers, "cutoff_len 64 cuts 3 of 9 rows", hint="data.cutoff_len: 99"
    )
    told = found(arms(0, 0), cut, Proof("loss", True, "9 rows", detail="trainer 2.1, base 2.2"))
    assert "rows were cut: cutoff_len 64 cuts 3 of 9 rows" in told.evidence
    assert "proof loss: trainer 2.1, base 2.2" in told.evidence
    assert told.hint.startswith("data.cutoff_len: 99; ")
    assert "train.epochs" in told.hint
