"""What rows are like is counted once each, in bounded memory, and no personal data is spread."""

from __future__ import annotations

from typing import Any

from orchestrator.datasets.base import Conversation, KtoExample, Pair, Text, messages_of
from orchestrator.datasets.repairs import masked
from orchestrator.datasets.statistics import (
    Repeats,
    Sample,
    Statistics,
    tokens_json,
)


def turns(*texts: str) -> Conversation:
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def test_lengths_are_counted_by_who_speaks() -> None:
    seen = Statistics()
    seen.see([{"role": "system", "content": "你是医生"}, *turns("头疼", "多喝水。", "还有呢？", "睡觉")])
    seen.see(turns("一", "壹"))
    said: Any = seen.to_json()
    assert said["turns"]["percentiles"]["50"] == 1
    assert said["turns"]["most"] == 2
    assert said["characters"]["row"]["most"] == 16
    assert said["characters"]["question"]["count"] == 3
    assert said["characters"]["answer"]["most"] == 4
    assert sum(said["languages"].values()) == 2
    assert said["scripts"]["Chinese"] == 16


def test_repeated_answers_are_counted_whatever_their_white_space() -> None:
    repeats = Repeats()
    for answer in ("多喝水。", "多 喝水。\n", "多喝水。", "去医院。", "去医院。", "睡觉。"):
        repeats.add(answer)
    assert repeats.repeated == 3
    assert [(each["count"], each["text"]) for each in repeats.top()] == [
        (3, '"多 喝水。\\n"'),
        (2, '"去医院。"'),
    ]
    assert repeats.exact


def test_past_the_limit_single_answers_are_forgotten_and_that_is_said() -> None:
    repeats = Repeats(most=10)
    for number in range(100):
        repeats.add(f"答{number}")
        repeats.add("多喝水。")
    assert not repeats.exact
    assert repeats.top()[0]["count"] == 100
    assert len(repeats._counts) <= 11


def test_nobodys_number_is_shown() -> None:
    repeats = Repeats()
    for _ in range(2):
        repeats.add("请打 13812345678 或写信 a@example.com")
    top: Any = repeats.top()[0]
    assert "138" not in top["text"]
    assert "@" not in top["text"]
    assert masked("请打 13812345678") == "请打 ***"


def test_a_sample_is_even_and_the_same_each_time() -> None:
    samples = [Sample(most=100), Sample(most=100)]
    for number in range(10_000):
        for sample in samples:
            sample.add(turns(str(number), "答"))
    first, second = ([int(row[0]["content"]) for row in sample.rows] for sample in samples)
    assert first == second
    assert len(first) == 100
    assert samples[0].total == 10_000
    assert 3000 < sum(first) / 100 < 7000


def test_a_row_of_any_purpose_has_something_to_say() -> None:
    asked = turns("问")
    assert messages_of(asked) is asked
    assert messages_of(Pair(asked, "好", "坏"))[-1]["content"] == "好"
    assert messages_of(KtoExample(turns("问", "答"), good=True))[-1]["content"] == "答"
    assert messages_of(Text("书")) == [{"role": "document", "content": "书"}]


def test_tokens_tell_the_share_over_the_cutoff_and_the_one_that_keeps_99_percent() -> None:
    rows: list[list[int] | None] = [[10, number] for number in range(1, 101)]
    said: Any = tokens_json([*rows, None], rows=500, cutoff=60)
    assert (said["sampled"], said["rows"], said["not_encoded"]) == (100, 500, 1)
    assert said["over"] == 50
    assert said["keeps_99"] == 109
    assert said["question"]["most"] == 10
    assert said["answer"]["most"] == 100
    assert tokens_json(rows, 100, None)["over"] is None


def test_both_answers_of_a_pair_are_counted() -> None:
    found = Statistics()
    asked = [{"role": "user", "content": "几点？"}]
    found.see(Pair(asked, "九点。", "我不知道。"))
    assert (found.questions.total, found.answers.total) == (1, 2)
    assert [row[-1]["content"] for row in found.sample.rows] == ["九点。", "我不知道。"]
