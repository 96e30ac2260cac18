"""The model card: YAML that a hub reads, the facts as Markdown, and no text that is obeyed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from orchestrator.execute.reporting.run_facts import read_facts
from orchestrator.html.card import model_card
from tests.html.test_run_page import XSS, as_data
from tests.run_world import make_run


def rendered(facts: Any, **more: str) -> str:
    """The card of facts that a test has changed."""
    return model_card(facts, **more)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """report.json of a run that has everything."""
    run = make_run(tmp_path_factory.mktemp("card"))
    return read_facts(run.path, recipe="shells", model="conch", stand_in=False, language="en")


def front(card: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


def test_the_front_matter_is_what_a_hub_reads(told: Any) -> None:
    licensed = {**told, "base": {**told["base"], "licence": "Apache-2.0"}}
    found = front(rendered(licensed))
    assert found["base_model"] == "org/base"
    assert found["license"] == "apache-2.0"
    assert found["language"] == ["zh"]
    assert "conch" in found["tags"]
    checks, scored = found["model-index"][0]["results"]
    assert checks["metrics"] == [{"type": "accuracy", "name": "checks passed", "value": 0.5}]
    assert {"type": "exact_match", "value": 50.0} in scored["metrics"]
    assert front(rendered(told)).get("license") is None
    local = {**told, "base": {**told["base"], "asked_for": "./base", "name": "base", "source": "local"}}
    assert "base_model" not in front(rendered(local))


def test_it_holds_all_a_person_asks_for(told: Any) -> None:
    card = rendered(told, picture="report/loss.png")
    for said in (
        "# shells\n",
        "- **rows** holds: no row was lost",
        "- **stop** DOES NOT HOLD",
        "  - to fix it: do this",
        "| 你是谁 | I am a model\\. | FAILED |",
        "Held-out paraphrases, which were not trained, answered correctly: 1 of 2.",
        "| exact\\_match | 2\\.50 \\[0\\.00, 5\\.00\\] | 50\\.00",
        "![Training loss](report/loss.png)",
        "Got worse: general\\[0\\]",
        "conch serve shells",
        "### curl",
        "- train: torch: 2\\.13\\.0",
    ):
        assert said in card, said
    assert "## 证明" in rendered({**told, "language": "zh"})


@pytest.mark.parametrize("text", XSS, ids=range(len(XSS)))
def test_fault_097_what_anybody_says_is_shown_and_not_obeyed(told: Any, text: str) -> None:
    card = rendered(as_data(told, text))
    _, matter, body = card.split("---\n", 2)
    assert yaml.safe_load(matter)["pipeline_tag"] == "text-generation"
    outside = re.sub(r"(?ms)^(`{3,})\n.*?^\1$", "", body)  # a fenced block shows its text as it is
    assert not re.search(r"(?<!\\)<(?!/?$)", outside.replace("\n> ", "\n"))
    assert not re.search(r"(?<!\\)\]\((?!loss)", outside)
    for raw in ("\x1b", "\x07", "\x00", "\u202e", "\u2028", "\ud83d"):
        assert raw not in body
    widths = {line.count("|") for line in re.findall(r"^\|.*$", re.sub(r"\\.", "", outside), re.MULTILINE)}
    assert widths <= {3, 4, 5, 6, 7, 8}
