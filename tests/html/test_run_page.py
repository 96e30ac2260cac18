"""The report of a run: all that is asked for is there, in both languages, and every foreign text is text."""
# Covers html/verdict.py html/tables.py html/facts.py

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.reporting.run_facts import read_facts
from orchestrator.html.run_page import run_page
from orchestrator.html.spelling import shown
from orchestrator.html.tables import plain
from tests.run_world import make_run


def rendered(facts: Any) -> str:
    """The page of facts that a test has changed."""
    return run_page(facts)


XSS = [
    "<script>alert(1)</script>",
    "</script></title></style></textarea></svg><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)' x='",
    '" style="position:fixed" onfocus="alert(1)" autofocus tabindex=1 x="',
    "javascript:alert(1)",
    "<svg onload=alert(1)><animate onbegin=alert(1)>",
    "[x](javascript:alert(1)) ![x](https://evil.example/x.png) <https://evil.example>",
    "<iframe srcdoc='<b>'></iframe><base href=//evil><meta http-equiv=refresh content=0>",
    "<!-- --><![CDATA[<b>]]><?x?>",
    "&lt;b&gt; &#60;i&#62; &amp;lt; &quot &NewLine; &colon;",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "a\x00b\x1b[2J\x07\x08\x7f",
    "one\u2028two\u2029three\x0bfour\x85five",
    "{{ 7 * 7 }}{% raw %}{# x #} {0.__class__} %s ${7*7}",
    "<a href=data:text/html,x>x</a><details ontoggle=alert(1) open>",
    "half \ud83d of a pair",
]
HIDDEN = "[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
# Conch's own words, on which the shape of the page depends.
KEPT = {"language", "part", "profile", "from", "kind", "case", "id", "worse"}
# Where a key is foreign text too.
OPEN = {"evaluations", "languages", "recipe_values", "data_files", "environments", "call", "stops", "errors"}
OPEN |= {"metrics", "with_thinking", "passed", "settings", "packages", "dropped", "repairs"}


class Shape(HTMLParser):
    """The tags of a page with the names of their attributes, in order; and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...], str]] = []
        self.values: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fixed = " ".join(f"{key}={value}" for key, value in attrs if key in {"class", "href", "id", "style"})
        self.tags.append((tag, tuple(key for key, _ in attrs), fixed))
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """report.json of a run that has everything."""
    run = make_run(tmp_path_factory.mktemp("report"))
    return read_facts(run.path, recipe="shells", model="conch", stand_in=True)


def put(value: Any, text: str, name: str = "") -> Any:
    """The same with every foreign text replaced; keys as well where they are foreign."""
    if isinstance(value, str):
        return value if name in KEPT else text
    if isinstance(value, list):
        return [put(one, text, name) for one in value]
    if isinstance(value, dict) and name in OPEN:
        # What is measured keeps its own keys below.
        deeper = "settings" if name == "evaluations" else ""
        return {f"{text} {key}": put(one, text, deeper) for key, one in value.items()}
    if isinstance(value, dict):
        return {key: put(one, text, key) for key, one in value.items()}
    return value


def as_data(told: Any, text: str) -> Any:
    """report.json in which everything that was said, by whomever, is this text."""
    found: dict[str, Any] = put(told, text)
    for systems in found["evaluations"].values():
        for system, numbers in list(systems.items()):
            systems[system] = put(numbers, text)
    return found


@pytest.mark.parametrize("text", XSS, ids=range(len(XSS)))
def test_fault_097_whatever_anybody_says_is_text(told: Any, text: str) -> None:
    evil = Shape(rendered(as_data(told, text)))
    plain_one = Shape(rendered(as_data(told, "海" * len(text))))
    assert evil.tags == plain_one.tags
    assert evil.values == plain_one.values  # nothing foreign stands in an attribute
    # All of it but one comes back letter by letter; a shell's quotes stand within the command that is shown.
    assert evil.text.count(shown(text)) >= plain_one.text.count("海" * len(text)) - 1 > 100
    assert not re.search(HIDDEN, evil.text)


def test_it_loads_nothing_and_runs_nothing(told: Any) -> None:
    text = rendered(told)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'")
    shape = Shape(text)
    assert not {"script", "img", "link", "iframe", "object", "form"} & {tag for tag, *_ in shape.tags}
    links = [fixed for tag, _, fixed in shape.tags if tag == "a"]
    assert links
    assert all(fixed.startswith("href=#") for fixed in links)
    ids = {fixed.partition("id=")[2] for *_, fixed in shape.tags if "id=" in fixed}
    assert {fixed.removeprefix("href=#") for fixed in links} <= ids
    assert "url(" not in text
    assert "@import" not in text


def test_all_that_is_asked_for_is_there_in_both_languages(told: Any) -> None:
    chinese, english = (rendered({**told, "language": language}) for language in ("zh", "en"))
    assert '<html lang="zh-CN">' in chinese
    assert '<html lang="en">' in english
    assert "Not there yet: 1 of 2 questions were answered correctly; 1 of 2 proofs hold" in english
    assert "尚未达标：2 个问题答对 1 个；2 项证明中 1 项成立" in chinese
    for said in (
        "the target was not met",
        "Training ended early: it rose from step 20 on.",
        "Try: train less",
        "100.0%",
        "half of it",
        "Training loss",
        "Validation loss",
        "Learning rate",
        "Tokens per second",
        "I am a model.",
        "exact_match",
        "perplexity of the references",
        "General knowledge",
        "The judge: tuned better 2, base better 1, ties 1",
        "no row was lost on the way into the trainer",
        "to fix it: do this",
        "other rows",
        "RTX 4090",
        "HF_TOKEN=***",
        "torch: 2.13.0",
        "conch serve shells",
        "OpenAI(",
        "★ 1",
        "conch run shells --set train.epochs=3",
        "Chinese, simplified",
    ):
        assert said in english, said
    for key in ("训练损失", "每秒 token 数", "训练前后", "指标", "证明", "部署与调用", "简体中文"):
        assert key in chinese, key


def test_what_is_not_there_is_left_out_or_says_what_makes_it(tmp_path: Path) -> None:
    folder = tmp_path / "runs/shells/20260102-030405-aaaa"
    folder.mkdir(parents=True)
    bare = read_facts(folder, recipe="shells", model="shells", stand_in=False)
    text = rendered(bare)
    assert bare["language"] == "en"
    assert "Not evaluated yet: the model has not been asked anything yet: conch run shells" in text
    assert "conch eval shells --systems base,tuned" in text
    assert "conch compare shells" in text
    assert "This run has no training log." in text
    assert "polyline class" not in text


def test_a_training_without_held_out_rows_on_a_cpu_says_what_was_not_recorded(told: Any) -> None:
    training = told["training"] | {"validations": [], "vram_allocated": [], "vram_reserved": []}
    training |= {"throughput": [], "not_finite": 3}
    text = rendered(
        {**told, "language": "en", "training": training, "hardware": {"profile": "cpu", "gpus": []}}
    )
    assert "No validation loss: the recipe holds out no rows" in text
    assert "training ran on the CPU" in text
    assert "Tokens per second were not recorded" in text
    assert "3 steps had no finite loss" in text


def test_a_failed_stage_is_the_verdict(told: Any) -> None:
    failed = [{**told["runs"][0], "status": "failed", "reason": "out of memory"}]
    text = rendered({**told, "language": "zh", "runs": failed})
    assert "尚未达标：阶段 fetch 失败：`out of memory`；" in text


def test_a_target_for_the_checks_says_how_many_must_pass(told: Any) -> None:
    held = [{**one, "holds": True} for one in told["proofs"]]
    part = {"name": "checks", "required": 0.5, "actual": 0.5, "met": True, "sentence": "1 of 2"}
    met = {**told, "proofs": held, "target": {"met": True, "parts": [part]}, "general": told["verdicts"]}
    assert "全部达标" in rendered(met)
    assert "常识题" in rendered(met)
    assert "尚未达标" in rendered({**met, "target": None})


def test_values_read_as_a_person_writes_them() -> None:
    assert plain([True, None, 0.0014, {"a": [1, "b"]}, []]) == "true, –, 0.0014, a: 1, b, –"
    assert json.dumps(plain("x")) == '"x"'


def test_metrics_of_the_kind_are_drawn_under_their_names(told: Any) -> None:
    points = [[step, step / 10] for step in range(1, 6)]
    metric = {"name": "reward margin", "name_zh": "奖励差值", "points": points}
    once = {"name": "measured once", "points": points[:1]}
    training = told["training"] | {"metrics": [metric, once]}
    english = rendered({**told, "language": "en", "training": training})
    assert "reward margin" in english
    assert "measured once" not in english
    assert "奖励差值" in rendered({**told, "language": "zh", "training": training})
