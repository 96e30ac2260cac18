"""Which rows a recipe asks: spread over the file, unambiguous, and of the training part."""

from __future__ import annotations

import time
from itertools import pairwise

from orchestrator.datasets.base import Conversation
from orchestrator.datasets.trained_cases import CASES, KEPT, CaseSampler, TrainedCase

TURNS = ("user", "assistant")


def talk(*texts: str, system: str = "") -> Conversation:
    said = [{"role": TURNS[index % 2], "content": text} for index, text in enumerate(texts)]
    return [{"role": "system", "content": system}, *said] if system else said


def cases_of(*rows: Conversation, most: int | None = None) -> tuple[TrainedCase, ...]:
    sampler = CaseSampler(most)
    for row in rows:
        sampler.see(row)
    return sampler.cases()


def test_what_a_recipe_cannot_contain_is_not_asked() -> None:
    cases = cases_of(
        talk("长" * 400, "答"),
        talk("${x}", "答"),
        talk("看不见\u2028", "答"),
        [{"role": "user", "content": "问"}, {"role": "function_call", "content": "{}"}],
        talk("你是谁？", "<think>\n想\n</think>\n\n我是海螺。", system="你是海螺"),
        talk("一", "二", "三", "四", "五", "六", "七", "八"),
        talk("答得太长", "长" * 3000),
    )
    assert [(case.ask, case.system, case.answer) for case in cases] == [
        (("你是谁？",), "你是海螺", "我是海螺。"),
        (("一", "三", "五"), "", "六"),
    ]


def test_a_question_with_several_answers_is_not_asked() -> None:
    rows = [talk("你是谁？", "我是海螺。"), talk("几点开门？", "九点。"), talk("你是谁？", "我是章鱼。")]
    assert [case.ask for case in cases_of(*rows)] == [("几点开门？",)]
    assert cases_of(talk("问", "一号"), talk("问", "二号")) == ()
    assert len(cases_of(talk("问", "一号"), talk("问", "一号"))) == 1


def test_fault_170_the_questions_are_spread_over_the_file() -> None:
    rows = [talk(f"第{number}题？", f"答案是{number}号。") for number in range(10_000)]
    began = time.process_time()
    cases = cases_of(*rows)
    assert time.process_time() - began < 2
    numbers = [int(case.ask[0][1:-2]) for case in cases]
    assert len(numbers) == CASES
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert numbers[-1] > 9000
    assert max(after - before for before, after in pairwise(numbers)) < 1600
    assert cases == cases_of(*rows), "the choice is the same every time"
    few = [talk(f"第{number}题？", f"答案是{number}号。") for number in range(KEPT)]
    assert [case.ask[0] for case in cases_of(*few)][-1] == f"第{KEPT - 1}题？"


def test_rows_that_are_not_trained_are_not_asked() -> None:
    rows = [talk(f"第{number}题？", f"答案是{number}号。") for number in range(20)]
    assert [case.ask[0] for case in cases_of(*rows, most=2)] == ["第0题？", "第1题？"]
    assert cases_of(*rows, most=0) == ()
    sampler, none = CaseSampler(), CaseSampler(0)
    for row in rows:
        sampler.see(row)
        none.see(row)
    assert none.tokens == sampler.tokens > 100
    asked = [case.ask[0] for case in sampler.cases(lambda question: question != "第0题？")]
    assert "第0题？" not in asked
    assert len(asked) == CASES


def test_an_answer_without_an_expectation_makes_room_for_another() -> None:
    rows = [talk("重复这句话", "重复这句话"), talk("几点？", "长" * 1000), talk("几点开门？", "早上九点。")]
    assert ("几点开门？",) in {case.ask for case in cases_of(*rows)}
