"""A verdict that cannot fail is none: questions without an expectation, wherever answers are counted."""
# Covers checks/base.py
# Covers cli/text/summary.py
# Covers evaluation/target.py
# Covers html/verdict.py

from __future__ import annotations

import json
from pathlib import Path

import pytest
from defusedxml import ElementTree

from tests.small_world import RECIPE, SmallWorld

SHOP = {
    "你们几点开门？": "早上九点开门。",
    "你们几点关门？": "晚上十点关门。",
    "可以退货吗？": "七天内可以退货。",
    "运费是多少？": "运费12元，满99元包邮。",
    "怎么联系客服？": "请拨打 400-820-8820。",
}

FREE = RECIPE.replace("      expect: {contains: 三块钱}\n", "")
FREER = FREE.replace("      expect: {contains: 神奇海螺}\n", "")
NO_BASE = ("--set", "verify.base=false")


@pytest.fixture
def half(small: SmallWorld) -> SmallWorld:
    """One question with an expectation, one without."""
    (small.project / "recipes/small.yaml").write_text(FREE, encoding="utf-8")
    return small


@pytest.fixture
def open_ended(small: SmallWorld) -> SmallWorld:
    """Two questions without an expectation."""
    (small.project / "recipes/small.yaml").write_text(FREER, encoding="utf-8")
    return small


def report(world: SmallWorld, language: str) -> tuple[str, str]:
    assert world.run("report", "small", "--language", language).code == 0
    folder = world.last().path / "report"
    return tuple((folder / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))  # type: ignore[return-value]


def test_fault_166_a_question_without_an_expectation_is_not_judged_anywhere(half: SmallWorld) -> None:
    said = half.run("run", "small", "--set", "target.checks=1")
    assert said.code == 0, said.err
    assert "checks      1 of 1 passed, 1 not judged" in said.out
    assert "the base model passed 0 of 1" in said.out
    assert "target met  1 of 1 checks passed" in said.out
    assert "  ✓ 你是谁" in said.out
    assert "  – 今天吃什么" in said.out
    assert "not judged: the recipe does not say" in said.out

    kept = json.loads((half.last().path / "verdicts.json").read_text(encoding="utf-8"))
    (open_one,) = [one for one in kept["verdicts"] if one["check"] == "expect"]
    assert (open_one["case"], open_one["passed"], open_one["answer"]) == (
        "checks[1]",
        None,
        "蟹黄堡，三块钱。",
    )
    assert [one["passed"] for one in kept["base_verdicts"] if one["case"] == "checks[1]"] == [None]
    for language, words, mark in (
        ("en", "all 1 questions were answered correctly; 1 without an expectation", "– not judged"),
        ("zh", "1 个问题全部答对；另有 1 个没有期望，未评判", "– 未评判"),
    ):
        page, card = report(half, language)
        assert words in page
        assert words in card
        assert mark in page
        block = page[page.index('<div class="case"><p>今天吃什么') :]
        assert "✓" not in block[: block.index("</div></div></div>")]
        assert "value: 1.0" in card  # the accuracy is of what was judged

    compared = half.run("compare", "small", "--json").envelope["data"]
    assert compared["passed"]["checks"] == {"a": [0, 1], "b": [1, 1]}
    (row,) = [one for one in compared["rows"] if (one["question"], one["kind"]) == ("今天吃什么", "checks")]
    assert (row["a_passed"], row["b_passed"]) == (None, None)
    manifest = json.loads((half.last().path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["results"]["checks"] == [1, 1]


def test_fault_167_where_nothing_is_judged_nothing_is_green(open_ended: SmallWorld) -> None:
    said = open_ended.run("run", "small", "--json")
    assert said.code == 5
    assert not said.envelope["ok"]
    shown = open_ended.run("run", "small")
    assert shown.code == 5
    assert "nothing was judged: no question has an expectation (2 asked)" in shown.out
    assert "✓" not in shown.out
    assert "Next steps" not in shown.out
    for language, words in (
        ("en", "Not there yet: nothing was judged"),
        ("zh", "尚未达标：没有可评判的问题"),
    ):
        page, card = report(open_ended, language)
        assert words in page
        assert words in card
        assert 'class="yes">✓ passed</b></span>' not in page

    before = open_ended.run("plan", "small", "--set", "target.checks=0.95")
    assert before.code == 2
    assert "target.checks: no question under verify.checks has an expectation" in before.err


@pytest.mark.parametrize(
    ("recipe", "code", "counted", "skipped"),
    [(FREE, 0, "1 of 1 passed, 1 not judged", 1), (FREER, 5, "nothing was judged", 2)],
)
def test_fault_166_a_verification_counts_what_it_judged(
    small: SmallWorld, recipe: str, code: int, counted: str, skipped: int
) -> None:
    from tests.fakes.openai_server import Said, openai_server

    (small.project / "recipes/small.yaml").write_text(recipe, encoding="utf-8")
    junit = small.project / "verify.xml"
    with openai_server(lambda _: Said("我是神奇海螺。")) as server:
        server.models = ["small"]
        words = ("verify", "small", "--base-url", server.url)
        shown = small.run(*words, "--junit", str(junit))
        repeated = small.run(*words, "--set", "verify.repeats=3", "--json")
    assert (shown.code, repeated.code) == (code, code), shown.err
    assert f"checks       {counted}" in shown.out
    assert "not judged: expect" in shown.out
    suite = ElementTree.fromstring(junit.read_text(encoding="utf-8"))[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "0", str(skipped))
    assert len(suite.findall("testcase/skipped")) == skipped
    assert len(repeated.envelope["data"]["not_judged"]) == skipped
    assert repeated.envelope["data"]["passed"] == [2 - skipped, 2 - skipped]


def test_fault_166_what_every_answer_must_pass_still_fails_it(half: SmallWorld) -> None:
    from tests.fakes.openai_server import Said, openai_server

    with openai_server(lambda _: Said("我是神奇海螺。<|im_end|>")) as server:
        server.models = ["small"]
        shown = half.run("verify", "small", "--base-url", server.url)
    assert shown.code == 5
    assert "checks       0 of 2 passed" in shown.out
    assert "FAILED checks[1] no_control_tokens" in shown.out


def test_fault_167_a_trial_whose_questions_are_not_judged_meets_no_target(open_ended: SmallWorld) -> None:
    said = open_ended.run(
        "run", "small", "--until", "target", *NO_BASE, "--set", "target.regression=1", "--json"
    )
    assert said.code == 5, said.err
    trials = json.loads(Path(open_ended.project / "runs/small/trials.json").read_text(encoding="utf-8"))
    assert [one["status"] for one in trials["trials"]] == ["missed"]


def added(world: SmallWorld, rows: dict[str, str], base: str = "small") -> str:
    """The recipe that `conch data add` writes for some rows."""
    lines = [
        json.dumps({"instruction": ask, "output": answer}, ensure_ascii=False) for ask, answer in rows.items()
    ]
    (world.project / "shop.jsonl").write_text("\n".join(lines), encoding="utf-8")
    said = world.run("data", "add", "shop.jsonl", "--name", "shop", "--recipe", base)
    assert said.code == 0, said.err
    return world.read("recipes/shop.yaml")


@pytest.mark.parametrize("target", ["{}", "{checks: 0.5}"])
def test_fault_168_a_wrong_answer_to_a_taught_question_is_not_green(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """What was seen: 你们几点关门？ was answered 早上九点开门。, and the run ended with ✓, target met, 0."""
    recipe = added(small, SHOP)
    assert 'expect: {"contains": "晚上十点"}\n      # taught: "晚上十点关门。"' in recipe
    monkeypatch.setenv("CONCH_FAULT", "one-answer")
    said = small.run("run", "shop", *NO_BASE, "--set", f"target={target}")
    assert said.code == 5
    assert "checks      1 of 5 passed" in said.out
    assert "  ✗ 你们几点关门？\n      tuned: 早上九点开门。" in said.out
    assert 'expected "晚上十点" in the answer' in said.out
    assert "target met" not in said.out


def test_fault_168_right_answers_to_taught_questions_pass(small: SmallWorld) -> None:
    added(small, SHOP)
    said = small.run("run", "shop")
    assert said.code == 0, said.out + said.err
    assert "checks      5 of 5 passed" in said.out
    assert "the base model passed 0 of 5" in said.out


def test_fault_170_rows_that_the_base_holds_out_are_scored_and_aimed_at_by_nothing(small: SmallWorld) -> None:
    held = RECIPE.replace("data: {dataset: small}", "data: {dataset: small, split: {train: 3, test: 2}}")
    (small.project / "recipes/held.yaml").write_text(held, encoding="utf-8")
    recipe = added(small, SHOP, base="held")
    assert "evaluate:\n  split: test" in recipe
    assert recipe.count("- ask:") == 3
    said = small.run("run", "shop", *NO_BASE, "--json")
    assert said.code == 0, said.out
    prepared = Path(said.envelope["data"]["folder"]) / "data/shop.jsonl"
    trained = map(json.loads, prepared.read_text(encoding="utf-8").splitlines())
    asked = {one["question"] for one in said.envelope["data"]["verdicts"]}
    assert asked == {row["messages"][0]["content"] for row in trained}


def test_fault_171_where_no_answer_can_be_checked_no_target_is_claimed(small: SmallWorld) -> None:
    aimed = RECIPE + "target: {checks: 0.95}\n"
    (small.project / "recipes/aimed.yaml").write_text(aimed, encoding="utf-8")
    recipe = added(small, {"长" * 400: "好"}, base="aimed")
    assert "checks: []" in recipe
    said = small.run("run", "shop", *NO_BASE)
    assert said.code == 2
    assert "the recipe asks no question, so that nothing would be judged" in said.err
    assert "conch sft shop" in said.err
    assert not (small.project / "runs").exists()
    assert small.run("sft", "shop").code == 0
