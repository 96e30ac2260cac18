"""The metrics of each training kind: their names, directions and courses."""

from __future__ import annotations

from orchestrator.evaluation.trainer_metrics import BY_METRIC_ALONE, KNOWN, METRICS, WATCHED, courses, said
from orchestrator.results import in_chinese

MEASURED = {
    "rewards/accuracies": [(1, 0.0), (2, 1.0), (3, 0.75)],
    "rewards/margins": [(1, 0.0), (3, 4.25)],
    "rewards/chosen": [(1, 0.0), (3, 1.5)],
    "eval_rewards/accuracies": [(2, 0.9), (3, 0.8)],
    "kl": [(1, 7.0)],
}


def test_every_metric_is_named_in_both_languages_and_once() -> None:
    labels = [metric.label for metric in KNOWN.values()]
    assert len(set(labels)) == len(labels)
    for metric in KNOWN.values():
        assert metric.name != metric.name.zh
        assert len(metric.label) < 11
    for kind, metric in WATCHED.items():
        assert metric in METRICS[kind]
        assert metric.rises
    assert WATCHED.keys() >= BY_METRIC_ALONE


def test_courses_are_those_of_the_kind_with_their_best() -> None:
    found = {one.key: one for one in courses("dpo", MEASURED)}
    assert list(found) == [
        "rewards/accuracies",
        "rewards/margins",
        "rewards/chosen",
        "eval_rewards/accuracies",
    ]
    accuracy = found["rewards/accuracies"]
    assert (accuracy.better, accuracy.first, accuracy.last, accuracy.best, accuracy.step) == (
        "higher",
        0.0,
        0.75,
        1.0,
        2,
    )
    assert found["rewards/chosen"].better == ""
    assert in_chinese(found["eval_rewards/accuracies"].name) == "留出数据：偏好更好的回答"
    assert [one.key for one in courses("kto", MEASURED)] == ["rewards/margins", "rewards/chosen", "kl"]
    assert courses("sft", MEASURED) == ()


def test_the_most_telling_are_said_from_first_to_last() -> None:
    sentence = said("dpo", MEASURED)
    assert sentence == (
        "better answer preferred 0% → 75%; reward margin 0 → 4.25;"
        " held-out: better answer preferred 90% → 80%"
    )
    assert in_chinese(sentence).startswith("偏好更好的回答 0% → 75%；奖励差值 0 → 4.25")
    assert said("dpo", {"rewards/margins": [(1, 2.0)]}) == "reward margin 2"
    assert said("sft", MEASURED) == ""
