"""A Chinese report of a run in which everything fails has no English sentence, on the page or in the card."""

from __future__ import annotations

import re
from typing import Any

import pytest

from orchestrator.checks import CHECKS
from orchestrator.checks.repeats import RepeatsCheck, folded, repeated
from orchestrator.evaluation.curve import course_of
from orchestrator.evaluation.target import Figures, check_target
from orchestrator.execute.reporting.run_facts import read_facts
from orchestrator.html.card import model_card
from orchestrator.html.run_page import run_page
from orchestrator.recipe import Target
from orchestrator.results import Turn, Verdict, json_of
from tests.checks.room import CASE, FOLLOW_UP, alone, said, turn
from tests.checks.test_checks import ARGUMENTS
from tests.html.test_run_page import Shape
from tests.run_world import make_run

ANSWERS = (
    turn("好的好的好的<|im_end|>", finish_reason="length", streamed=True, streamed_content="不"),
    turn("", reasoning="嗯，我想一想"),
    turn(error="HTTP 500: the server had an internal error"),
    turn("", tool_calls=({"name": "get_news", "arguments": "不是 JSON"},)),
    turn("很抱歉，我无法提供 DeepSeek 的信息。</think>"),
)
CURVES = {
    "rising": [(step, 1.0 + step) for step in range(1, 20)],
    "no number": [(step, float("nan")) for step in range(1, 20)],
    "slow": [(step, 1.0 - step / 1000) for step in range(1, 20)],
    "falling": [(step, 10.0 / step) for step in range(1, 20)],
    "short": [(1, 1.0)],
}
NOTHING = Figures((0, 0), (0, 0), (0, 0), (0, 0), {})
TARGET = Target(checks=0.9, paraphrases=0.8, metrics={"rouge-l": 60, "chrf": 50}, regression=0.1)
# Three English words in a row; names of products that hold a space are allowed.
ENGLISH = re.compile(r"[A-Za-z]{2,}(?:[ ]+[A-Za-z]{2,}){2,}")
NAMES = ("Hugging Face", "Spring AI", "RTX 4090", "reasoning parser")


def verdicts() -> list[Verdict]:
    """Every check against every kind of bad answer; some of them repeated."""
    found = []
    for name, check in CHECKS.items():
        for answer in ANSWERS:
            argument = ARGUMENTS.get(name, True)
            found.append(check.judge(CASE, argument, said(answer)))
            found.append(check.judge(FOLLOW_UP, argument, [*said(turn("九点"), answer), alone(answer)]))
        found.append(check.judge(CASE, argument, []))
    repeats = RepeatsCheck(times=2)
    twice = [
        CHECKS["stops"].judge(case, True, said(turn("x", finish_reason="length")))
        for case in repeated([CASE], repeats)
    ]
    return [*found, *folded(twice, repeats)]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """report.json of the run, in Chinese."""
    run = make_run(tmp_path_factory.mktemp("chinese"))
    found: Any = read_facts(run.path, recipe="shells", model="conch", stand_in=True, language="zh")
    failed = [{**found["runs"][0], "status": "failed", "reason": "the process ended with exit code 1"}]
    proofs = [
        {**one, "covered": "两行", "detail": "", "hint": "", "not_covered": ""} for one in found["proofs"]
    ]
    trials = {**found["trials"], "trials": [{**found["trials"]["trials"][0], "sentence": "一半"}]}
    rows = [{**one, "reason": "", "expected": ""} for one in found["base_verdicts"]]
    data = [{**one, "dropped": {}, "repairs": {}} for one in found["data"]]
    changed = {"runs": failed, "proofs": proofs, "trials": trials, "data": data, "base_verdicts": rows}
    judged = [json_of(one) for one in verdicts()]
    target = json_of(check_target(TARGET, NOTHING))
    return {**found, **changed, "verdicts": judged, "paraphrases": judged, "target": target}


def english(text: str) -> list[str]:
    """The English sentences of a text; code, paths and names are none."""
    text = re.sub(r"```.*?```|`[^`]*`|\"[^\"]*\"", " ", text, flags=re.DOTALL)
    for name in NAMES:
        text = text.replace(name, "")
    return ENGLISH.findall(text)


def page_text(facts: Any) -> str:
    """The text of the page without code and style."""
    page = re.sub(r"<(pre|code|style|head)\b.*?</\1>", " ", run_page(facts), flags=re.DOTALL)
    return re.sub(
        r"[ \n]+", " ", Shape(re.sub(r"</(td|th|p|dt|dd|div|b|span|summary)>", r" | </\1>", page)).text
    )


@pytest.mark.parametrize("kind", CURVES)
def test_no_english_sentence_is_left(facts: Any, kind: str) -> None:
    losses = CURVES[kind]
    curve = json_of(course_of(losses, [(1, 1.0), (2, 0.5), (3, 2.0)] if kind == "falling" else [], 20))
    told: Any = {**facts, "curve": curve}
    assert english(page_text(told)) == []
    card = model_card(told).split("---\n", 2)[2]
    assert english(re.sub(r"\\(.)", r"\1", card)) == []


def test_the_english_report_has_the_same_reasons_in_english(facts: Any) -> None:
    page = page_text({**facts, "language": "en"})
    assert "the answer reached the length limit" in page
    assert "was not measured" in page


def test_an_answer_of_every_kind_fails_somewhere() -> None:
    assert isinstance(ANSWERS[0], Turn)
    assert {one.check for one in verdicts() if not one.passed} == set(CHECKS)
