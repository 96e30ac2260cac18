from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.templates.families import layouts
from orchestrator.templates.pairing import ChatTemplate, choose, digest_of, name_of, read, write_pairing
from orchestrator.templates.writer import (
    HISTORY,
    THINKING,
    History,
    Thinking,
    settings_of,
    write_jinja,
)

FOLDER = Path(__file__).parents[2] / "chat_templates"
JINJA, YAML = write_pairing("deepseekr1", "on", "keep")


SETTINGS = list(product(sorted(layouts()), THINKING, HISTORY))
PLAIN = {"deepseek3", "qwen", "qwen3_nothink", "llama3", "chatml", "smollm2"}


def written() -> dict[str, tuple[str, str]]:
    """Name → (jinja, yaml) of everything that the writer writes."""
    return {
        name_of(training, *settings_of(training, thinking, history)): write_pairing(
            training, thinking, history
        )
        for training, thinking, history in SETTINGS
    }


def test_the_files_are_what_the_writer_writes(pytestconfig: pytest.Config) -> None:
    """`pytest tests/templates/test_pairing.py --golden` writes them anew."""
    for name, texts in written().items():
        for suffix, text in zip((".jinja", ".yaml"), texts, strict=True):
            path = FOLDER / (name + suffix)
            if pytestconfig.getoption("golden"):
                path.write_text(text, encoding="utf-8")
            assert path.read_text(encoding="utf-8") == text, f"{path.name} is not what the writer writes"


def test_no_other_file_lies_there() -> None:
    assert len(written()) == 2 * 6 + 6
    assert {path.stem for path in FOLDER.glob("*.jinja")} >= set(written())
    for path in FOLDER.glob("*.yaml"):
        jinja = path.with_suffix(".jinja").read_text(encoding="utf-8")
        assert read(path.stem, path.read_text(encoding="utf-8"), jinja).text == jinja


@pytest.mark.parametrize(("training", "thinking", "history"), SETTINGS)
def test_every_training_has_a_pairing(training: str, thinking: Thinking, history: History) -> None:
    shipped = {name: read(name, text, jinja) for name, (jinja, text) in written().items()}
    found = choose(shipped, training, thinking, history)
    assert found.text == write_jinja(training, thinking, history)
    assert found.sha256 == digest_of(found.text)
    assert found.name == (training if training in PLAIN else f"{training}-{thinking}-{history}")
    told = (found.training, found.thinking, found.history)
    assert told == (training, *(("any", "any") if training in PLAIN else (thinking, history)))
    parsed = training not in PLAIN and thinking != "off"
    assert (found.reasoning_parser is not None) == parsed, "a parser would return content null"


def test_the_pairing_of_a_training_is_chosen() -> None:
    mine = read("deepseekr1-on-keep", YAML, JINJA)
    other = read("another", YAML, JINJA)
    anyway = read("a", YAML.replace('"on"', "any").replace("keep", "any"), JINJA)
    assert choose({"another": other, "deepseekr1-on-keep": mine}, "deepseekr1", "on", "keep") is mine
    assert choose({"another": other}, "deepseekr1", "on", "keep") is other
    assert choose({"a": anyway, "another": other}, "deepseekr1", "on", "keep") is other
    assert choose({"a": anyway, "another": other}, "deepseekr1", "off", "keep") is anyway


def test_a_training_without_a_pairing_is_told_what_there_is() -> None:
    templates = {"deepseekr1-on-keep": read("deepseekr1-on-keep", YAML, JINJA)}
    with pytest.raises(UsageError, match="thinking off and history keep; available: deepseekr1-on-keep"):
        choose(templates, "deepseekr1", "off", "keep")
    with pytest.raises(UsageError, match="available: none"):
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
    "bad value": (YAML.replace("keep", "kept"), JINJA, "'kept' is not one of keep, strip, any"),
}


@pytest.mark.parametrize(("text", "jinja", "words"), BAD.values(), ids=BAD)
def test_a_bad_pairing_is_refused(text: str, jinja: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read("t", text, jinja)
    assert all(problem.where == "chat_templates/t.yaml" for problem in caught.value.problems)
