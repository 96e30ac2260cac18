"""Pairs as two conversations: UltraFeedback, TRL, HH. What both have in common is the prompt."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import Pair, RowProblem
from orchestrator.datasets.formats import dpo_messages


def said(role: str, text: Any) -> dict[str, Any]:
    return {"role": role, "content": text}


def read(row: dict[str, Any]) -> Pair:
    assert dpo_messages.sniff(row)
    return dpo_messages.read(row, {**dpo_messages.columns, **dpo_messages.resolve(row)})


ASKED = [said("user", "一"), said("assistant", "二"), said("user", "三")]
GOOD, BAD = said("assistant", "好"), said("assistant", "坏")
PAIR = Pair(ASKED, "好", "坏")


def test_ultrafeedback_repeats_the_prompt_in_both() -> None:
    row = {"prompt": "一", "chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD], "score_chosen": 8.0}
    assert read(row) == PAIR


def test_trl_has_the_prompt_apart() -> None:
    assert read({"prompt": ASKED, "chosen": [GOOD], "rejected": [BAD]}) == PAIR


def test_a_prompt_that_both_tell_again_is_said_once() -> None:
    assert read({"prompt": ASKED, "chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]}) == PAIR


def test_a_prompt_of_text_is_the_question_where_there_is_none() -> None:
    row = {"prompt": "几点", "system": "s", "chosen": [GOOD], "rejected": [BAD]}
    assert read(row) == Pair([said("system", "s"), said("user", "几点")], "好", "坏")


def test_from_and_value_are_read_too() -> None:
    sides = {
        side: [{"from": "human", "value": "几点"}, {"from": "gpt", "value": text}]
        for side, text in (("chosen", "好"), ("rejected", "坏"))
    }
    assert read(sides) == Pair([said("user", "几点")], "好", "坏")


def test_hh_says_who_speaks_before_each_text() -> None:
    asked = "\n\nHuman: 一\n\nAssistant: 二\n\nHuman: 三\n还有 Human: 不算\n\nAssistant:"
    pair = read({"chosen": f"{asked} 好", "rejected": f"{asked} 坏"})
    assert [turn["content"] for turn in pair.prompt] == ["一", "二", "三\n还有 Human: 不算"]
    assert (pair.chosen, pair.rejected) == ("好", "坏")


def test_hh_with_its_prompt_apart() -> None:
    prompt = "\n\nHuman: 一\n\nAssistant: 二\n\nHuman: 三\n\nAssistant:"
    assert read({"prompt": prompt, "response": " 好", "chosen": " 好", "rejected": " 坏"}) == PAIR


@pytest.mark.parametrize(
    ("chosen", "rejected", "said_so"),
    [
        ([said("user", "一"), GOOD], [said("user", "别的"), BAD], "differ before their last answers"),
        ([*ASKED, GOOD], [said("user", "一"), BAD], "differ before their last answers"),
        (ASKED, [*ASKED, BAD], "does not end with an answer"),
        ([*ASKED, GOOD], [], "does not end with an answer"),
        ([said("user", "一"), said("assistant", None)], [BAD], "is null"),
        ([said("bot", "一")], [BAD], "no role named"),
    ],
)
def test_what_has_no_common_prompt_is_refused(chosen: Any, rejected: Any, said_so: str) -> None:
    with pytest.raises(RowProblem, match=said_so):
        read({"chosen": chosen, "rejected": rejected})


def test_a_text_that_does_not_say_who_speaks_is_refused() -> None:
    row = {"chosen": "\n\nHuman: 一\n\nAssistant: 好", "rejected": "坏"}
    assert not dpo_messages.sniff(row)
    with pytest.raises(RowProblem, match="does not begin with Human"):
        dpo_messages.read(row, dpo_messages.columns)
