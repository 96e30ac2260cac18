"""Parts are near to their weights, never share a question, and come out the same again."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.datasets.base import KtoExample, Pair, Text
from orchestrator.datasets.near_duplicates import NearDuplicates
from orchestrator.datasets.split import Groups, SplitSpec, first_question, group_of, stratum_of
from orchestrator.errors import UsageError

SEVEN_TWO_ONE = {"train": 7.0, "test": 2.0, "validation": 1.0}


def parts_of(groups: Groups, wish: SplitSpec) -> list[str]:
    parts = groups.parts(wish, "x.jsonl")
    return [parts[group] for group in groups.groups]


def asked(questions: list[str], strata: list[str] | None = None) -> Groups:
    groups = Groups()
    for question, stratum in zip(questions, strata or [""] * len(questions), strict=True):
        groups.add(question, stratum)
    return groups


@pytest.mark.parametrize("rows", [10, 100, 1000, 10_000])
def test_counts_are_those_of_the_weights(rows: int) -> None:
    counts = Counter(parts_of(asked([f"第{n}问" for n in range(rows)]), SplitSpec(SEVEN_TWO_ONE)))
    assert counts == {"train": rows * 7 // 10, "test": rows * 2 // 10, "validation": rows // 10}


def test_the_same_rows_and_seed_give_the_same_parts_and_another_seed_others() -> None:
    questions = [f"第{n}问" for n in range(200)]
    once, again, other = (
        parts_of(asked(questions), SplitSpec(SEVEN_TWO_ONE, seed=seed)) for seed in (1, 1, 2)
    )
    assert once == again != other


def test_the_order_of_the_rows_does_not_matter() -> None:
    questions = [f"第{n}问" for n in range(50)]
    there = dict(zip(questions, parts_of(asked(questions), SplitSpec(SEVEN_TWO_ONE)), strict=True))
    turned = questions[::-1]
    assert there == dict(zip(turned, parts_of(asked(turned), SplitSpec(SEVEN_TWO_ONE)), strict=True))


def test_a_question_in_other_spellings_stays_together() -> None:
    spelled = ["头疼怎么办", "头疼，怎么办？", " 头疼怎么办\n", "头疼怎么办！！"]
    found = parts_of(asked([*spelled, *map(str, range(40))]), SplitSpec({"train": 1.0, "test": 1.0}))
    assert len(set(found[:4])) == 1
    assert group_of("ＡＢＣ") == group_of("abc")
    assert group_of("？？") != group_of("！")


@given(
    st.lists(st.sampled_from("甲乙丙丁戊己庚辛壬癸"), min_size=1, max_size=60),
    st.dictionaries(st.sampled_from(["train", "test", "validation"]), st.floats(0.01, 100), min_size=1),
    st.integers(0, 9),
)
def test_no_group_is_torn_and_no_part_is_empty(
    questions: list[str], weights: dict[str, float], seed: int
) -> None:
    groups, wish = asked(questions), SplitSpec(weights, seed)
    if len(set(questions)) < len(weights):
        with pytest.raises(UsageError, match="different questions into"):
            groups.parts(wish, "x")
        return
    found: dict[str, set[str]] = defaultdict(set)
    for question, part in zip(questions, parts_of(groups, wish), strict=True):
        found[question].add(part)
    assert all(len(parts) == 1 for parts in found.values())
    assert set.union(*found.values()) == set(weights)


def test_too_few_questions_say_how_many_are_needed() -> None:
    with pytest.raises(UsageError) as caught:
        asked(["一", "一！", "二"]).parts(SplitSpec(SEVEN_TWO_ONE), "x.jsonl")
    assert "3 rows with 2 different questions" in str(caught.value)
    assert "at least 3 different questions are needed" in str(caught.value)


def test_one_huge_group_leaves_the_others_in_proportion() -> None:
    """900 rows of one question fill the training part; what is left is test to validation 2 : 1."""
    questions = ["一"] * 900 + [f"第{n}问" for n in range(90)]
    counts = Counter(parts_of(asked(questions), SplitSpec(SEVEN_TWO_ONE)))
    assert counts == {"train": 900, "test": 60, "validation": 30}


def test_strata_are_in_every_part_in_like_shares() -> None:
    strata = ["内科"] * 700 + ["外科"] * 200 + ["儿科"] * 100
    questions = [f"第{n}问" for n in range(1000)]
    found = parts_of(asked(questions, strata), SplitSpec(SEVEN_TWO_ONE))
    counts = Counter(zip(strata, found, strict=True))
    for stratum, rows in Counter(strata).items():
        for part, weight in SEVEN_TWO_ONE.items():
            assert abs(counts[stratum, part] - rows * weight / 10) <= 2, (stratum, part)
    without = Counter(zip(strata, parts_of(asked(questions), SplitSpec(SEVEN_TWO_ONE)), strict=True))
    assert without != counts


def test_strata_of_one_row_each_do_not_all_fall_into_one_part() -> None:
    names = [f"类{n}" for n in range(100)]
    counts = Counter(parts_of(asked(names, names), SplitSpec(SEVEN_TWO_ONE)))
    assert counts == {"train": 70, "test": 20, "validation": 10}


def test_a_row_without_the_column_says_so() -> None:
    assert stratum_of({"label": 3}, "label") == "3"
    with pytest.raises(UsageError, match='no column "科室" to stratify by'):
        stratum_of({"label": "x"}, "科室")


def test_nearly_the_same_questions_stay_together_on_request() -> None:
    pytest.importorskip("rensa")
    base = "患者女性三十岁近一个月来反复出现头痛伴有恶心呕吐请问应该做哪些检查以及如何治疗"
    near = [base, base + "呢", base + "啊", base + "呢？"]
    rest = [chr(0x4E00 + n) * 20 for n in range(40)]
    groups = Groups(NearDuplicates())
    for question in [*near, *rest]:
        groups.add(question)
    assert len(set(groups.groups[:4])) == 1
    assert len(set(asked(near).groups)) == 3
    assert len(groups.sizes) == 41


def test_what_is_asked_first() -> None:
    talk = [
        {"role": "system", "content": "你是医生"},
        {"role": "user", "content": "问"},
        {"role": "assistant", "content": "答"},
    ]
    assert first_question(talk) == "问"
    assert first_question(Pair(talk[:2], "好", "坏")) == "问"
    assert first_question(KtoExample(talk, good=True)) == "问"
    assert first_question(Text("文")) == "文"
