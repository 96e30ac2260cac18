"""Pairs, liked answers and documents: tallied, compared, repaired, and turned into rows of another kind."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.datasets.audit import CONTRADICTION, DUPLICATE, Audit, Rules
from orchestrator.datasets.base import DPO, KTO, PT, SFT, Example, KtoExample, Pair, Row, Text
from orchestrator.datasets.faults import faults_of
from orchestrator.datasets.formats import FORMATS, recognise, sniff
from orchestrator.datasets.preferences import one_sided, other_purpose, tally_lines, tally_of, turned

ASKED = [{"role": "user", "content": "几点开门？"}]
PAIR = Pair(ASKED, "九点。", "我不知道。")
SAID = [*ASKED, {"role": "assistant", "content": "九点。"}]
LIKED, DISLIKED = KtoExample(SAID, good=True), KtoExample(SAID, good=False)


def audited(*rows: Row, fix: bool = False) -> Audit:
    found = recognise(rows[0])
    assert found
    audit = Audit("x.jsonl", FORMATS[found[0]], found[1], Rules(fix=fix, thorough=True))
    audit.kept_rows = [example for _, example, _ in audit.examples(enumerate(rows, 1))]  # type: ignore[attr-defined]
    return audit


def test_what_rows_say_is_counted() -> None:
    assert [tally_of(one) for one in (PAIR, LIKED, DISLIKED, Text("文"))] == [
        "better answer not longer",
        "liked",
        "disliked",
        "documents",
    ]
    assert tally_lines({"liked": 3, "disliked": 2}) == ("3 liked", "2 disliked")
    assert tally_lines({"better answer longer": 2}) == ("2 pairs; the better answer is the longer one in 2",)
    assert "learn the length" in tally_lines({"better answer longer": 27, "better answer not longer": 3})[0]


def test_answers_of_one_side_are_refused_with_what_is_missing() -> None:
    (liked,) = one_sided(Counter(liked=4), "x.jsonl:1")
    assert (liked.what, liked.where) == (
        "all 4 answers are liked: kto learns the difference to disliked ones",
        "x.jsonl:1",
    )
    assert "--as sft" in liked.hint
    (disliked,) = one_sided(Counter(disliked=1), "x.jsonl:1")
    assert "--as sft" not in disliked.hint
    assert one_sided(Counter(liked=1, disliked=1), "") == one_sided(Counter(documents=2), "") == []


@pytest.mark.parametrize(
    ("example", "purpose", "rows"),
    [
        (PAIR, SFT, [SAID]),
        (
            PAIR,
            KTO,
            [LIKED, KtoExample([*ASKED, {"role": "assistant", "content": "我不知道。"}], good=False)],
        ),
        (PAIR, DPO, [PAIR]),
        (LIKED, SFT, [SAID]),
        (DISLIKED, SFT, []),
        (SAID, SFT, [SAID]),
    ],
)
def test_rows_become_rows_of_another_purpose(example: Example, purpose: str, rows: list[Example]) -> None:
    assert list(turned(example, purpose)) == rows


def test_data_of_another_kind_is_refused_with_the_way_to_convert_it() -> None:
    what, hint = other_purpose(DPO, SFT, "好坏.jsonl")
    assert what == "its rows are pairs of a better and a worse answer, but conversations are needed"
    assert "`conch data convert 好坏.jsonl --as sft --out NEW.jsonl` keeps the better answers" in hint
    assert "train.kind: dpo" in hint
    assert "chosen and rejected" in other_purpose(SFT, DPO, "x")[1]
    assert "kto_tag, true or false" in other_purpose(PT, KTO, "x")[1]


def test_pairs_without_a_difference_are_refused() -> None:
    (equal,) = faults_of(Pair(ASKED, "九点。", "九点。"))
    (spaced,) = faults_of(Pair(ASKED, "九 点。\n", "九 点。"))
    assert equal.kind == spaced.kind == "same answers"
    assert "differ in white space only" in spaced.what
    assert list(faults_of(PAIR)) == []


def test_rows_that_are_rated_both_ways_are_told_from_repeated_ones() -> None:
    row = {"prompt": "几点开门？", "chosen": "九点。", "rejected": "我不知道。"}
    swapped = {**row, "chosen": row["rejected"], "rejected": row["chosen"]}
    other = {**row, "chosen": "早上九点。"}
    assert audited(row, row, swapped, other).warnings.counts == {DUPLICATE: 1, CONTRADICTION: 1}
    liked = {"instruction": "几点开门？", "output": "九点。", "kto_tag": True}
    worse = {**liked, "output": "不知道。", "kto_tag": False}
    assert audited(liked, {**liked, "kto_tag": False}, worse).warnings.counts == {CONTRADICTION: 1}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "几\u200b点？", "chosen": "九点。", "rejected": "不知\u200b道<|im_end|>。"},
        {"instruction": "几\u200b点？", "output": "九点<|im_end|>。", "kto_tag": "1"},
        {"text": "<|im_end|>九\u200b点开门。"},
    ],
)
def test_repairs_reach_every_text_of_every_kind(row: Row) -> None:
    assert audited(dict(row)).bad == 1
    mended = audited(dict(row), fix=True)
    assert (mended.bad, mended.kept) == (0, 1)
    assert "\u200b" not in str(mended.kept_rows)  # type: ignore[attr-defined]
    assert "im_end" not in str(mended.kept_rows)  # type: ignore[attr-defined]


def test_a_document_has_no_speaker_whose_mark_could_be_left() -> None:
    text = "问：海螺住在哪里？<think>"
    assert audited({"text": text}, fix=True).kept_rows == [Text(text)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"question": "a", "good": "b", "bad": "c"}, "dpo"),
        ({"问题": "a", "好回答": "b", "差回答": "c", "编号": "1"}, "dpo"),
        ({"Question": "a", "Better": "b", "Worse": "c"}, "dpo"),
        ({"question": "a", "answer": "b", "liked": "1"}, "kto"),
        ({"问题": "a", "回答": "b", "点赞": "踩"}, "kto"),
        ({"question": "a", "answer": "b", "like": 37}, "question_answer"),
        ({"question": "a", "answer": "b", "good": "x"}, "question_answer"),
    ],
)
def test_tables_of_preferences_are_known_by_their_usual_names(row: Row, name: str) -> None:
    assert sniff(row) == name
