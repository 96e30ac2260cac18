from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.templates.pairing import ChatTemplate, choose, digest_of, name_of, read, write_pairing
from orchestrator.templates.writer import HISTORY, LAYOUTS, THINKING, History, Thinking

FOLDER = Path(__file__).parents[2] / "chat_templates"
JINJA, YAML = write_pairing("deepseekr1", "on", "keep")


@pytest.mark.parametrize("history", HISTORY)
@pytest.mark.parametrize("thinking", THINKING)
@pytest.mark.parametrize("training", sorted(LAYOUTS))
def test_the_files_are_what_the_writer_writes(training: str, thinking: Thinking, history: History) -> None:
    path = FOLDER / name_of(training, thinking, history)
    jinja, text = write_pairing(training, thinking, history)
    assert path.with_suffix(".jinja").read_text(encoding="utf-8") == jinja
    assert path.with_suffix(".yaml").read_text(encoding="utf-8") == text
    template = read(path.name, text, jinja)
    assert (template.training, template.thinking, template.history) == (training, thinking, history)
    assert template.sha256 == digest_of(jinja)
    assert (template.reasoning_parser is None) == (thinking == "off"), "a parser would return content null"


def test_no_other_file_lies_there() -> None:
    written = {name_of(t, th, h) for t in LAYOUTS for th in THINKING for h in HISTORY}
    assert {path.stem for path in FOLDER.glob("*.jinja")} >= written
    for path in FOLDER.glob("*.yaml"):
        jinja = path.with_suffix(".jinja").read_text(encoding="utf-8")
        assert read(path.stem, path.read_text(encoding="utf-8"), jinja).text == jinja


def test_the_pairing_of_a_training_is_chosen() -> None:
    mine = read("deepseekr1-on-keep", YAML, JINJA)
    other = read("another", YAML, JINJA)
    assert choose({"another": other, "deepseekr1-on-keep": mine}, "deepseekr1", "on", "keep") is mine
    assert choose({"another": other}, "deepseekr1", "on", "keep") is other


def test_a_training_without_a_pairing_is_told_what_there_is() -> None:
    templates = {"deepseekr1-on-keep": read("deepseekr1-on-keep", YAML, JINJA)}
    with pytest.raises(UsageError, match="thinking off and history keep; there is: deepseekr1-on-keep"):
        choose(templates, "deepseekr1", "off", "keep")
    with pytest.raises(UsageError, match="there is: none"):
        choose({}, "llama3", "on", "keep")


def test_a_bare_yaml_switch_is_read() -> None:
    template = read("t", YAML.replace('"on"', "on"), JINJA)
    assert isinstance(template, ChatTemplate)
    assert template.thinking == "on"


BAD = {
    "edited": (YAML, JINJA + " ", "was edited"),
    "no YAML": ("a: [", JINJA, "not YAML"),
    "a list": ("- a", JINJA, "mapping"),
    "missing": (YAML.replace("history: keep\n", ""), JINJA, "history is missing"),
    "unknown": (YAML + "colour: red\n", JINJA, "unknown key colour"),
    "bad value": (YAML.replace("keep", "kept"), JINJA, "'kept' is none of keep, strip"),
}


@pytest.mark.parametrize(("text", "jinja", "words"), BAD.values(), ids=BAD)
def test_a_bad_pairing_is_refused(text: str, jinja: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read("t", text, jinja)
    assert all(problem.where == "chat_templates/t.yaml" for problem in caught.value.problems)
