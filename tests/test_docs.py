"""What the documents say is so: verbs, exit codes, snippets, examples; and both READMEs say the same."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from orchestrator import errors
from orchestrator.backends import clients
from orchestrator.cli.main import VERBS, conch

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
URL = "http://127.0.0.1:8000/v1"


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks as (language, text)."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _rows(text: str, between: str) -> list[list[str]]:
    """The cells of the table between <!-- between --> and <!-- /between -->, without its head."""
    part = re.search(f"<!-- {between} -->(.*)<!-- /{between} -->", text, re.DOTALL)
    lines = [line for line in (part[1] if part else "").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("name", READMES)
def test_the_table_of_verbs_is_the_table_of_verbs(name: str) -> None:
    assert [row[0] for row in _rows(_text(name), "verbs")] == [f"`conch {verb}`" for verb in VERBS]


def test_the_table_of_verbs_says_what_help_says() -> None:
    assert [row[1] for row in _rows(_text("README.md"), "verbs")] == [
        help_.rstrip(".") for help_ in VERBS.values()
    ]


@pytest.mark.parametrize("name", READMES)
def test_the_exit_codes_are_those_of_the_error_tree(name: str) -> None:
    written = {
        int(code)
        for row in re.findall(r"^\| ([\d, ]+) \|", _text(name), re.MULTILINE)
        for code in row.split(",")
    }
    assert written == {0, 1, 143} | {kind.exit_code for kind in errors.TREE}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_tells_to_type_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.+)$", _text("Makefile"), re.MULTILINE)
    assert targets
    typed = re.findall(r"(?:^|`)(?:\.venv/bin/)?(make|conch) ([a-z]+)", text, re.MULTILINE)
    for program, word in typed:
        assert word in (targets[1].split() if program == "make" else VERBS), f"{program} {word}"


@pytest.mark.parametrize("name", READMES)
def test_the_options_in_the_examples_exist(name: str) -> None:
    lines = [
        line for language, block in _blocks(_text(name)) if language == "sh" for line in block.splitlines()
    ]
    for verb, rest in [match.groups() for line in lines if (match := re.search(r"conch ([a-z]+)(.*)", line))]:
        if verb not in VERBS:
            continue
        command = conch.get_command(click.Context(conch), verb)
        assert command is not None
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), rest.split()[0])
            assert command is not None, rest
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--[a-z-]+", rest)) <= known, verb


def test_both_readmes_have_the_same_shape_and_the_same_code() -> None:
    english, chinese = (_text(name) for name in READMES)
    assert _blocks(english) == _blocks(chinese)
    levels = [re.findall(r"^(#+) ", _prose(text), re.MULTILINE) for text in (english, chinese)]
    assert levels[0] == levels[1]
    rows = [len(re.findall(r"^\|", text, re.MULTILINE)) for text in (english, chinese)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", READMES)
def test_the_snippets_are_those_that_a_run_prints(name: str) -> None:
    blocks = [block.strip() for _, block in _blocks(_text(name))]
    question = "请问你是谁"
    for make in (clients.curl, clients.python, clients.python_streaming):
        assert make(URL, "magic_conch", question).strip() in blocks
    settings = [yaml.safe_load(block) for block in blocks if block.startswith("spring:")]
    assert yaml.safe_load(clients.spring_ai(URL, "magic_conch")) == settings[0]
    assert settings[1]["spring"]["ai"]["openai"]["base-url"] == URL.removesuffix("/v1")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        assert "://" in target or (document.parent / target).exists(), target


def test_the_way_from_a_recipe_to_an_answer_names_modules_and_stages_that_exist() -> None:
    from orchestrator.plan.stages import STAGES

    text = _text("docs/recipe-to-answer.md")
    modules = re.findall(r"`([\w/]+\.py)`", text)
    assert len(modules) > 40
    assert [name for name in modules if not (ROOT / "orchestrator" / name).is_file()] == []
    rows = re.findall(r"^\| ([a-z_, ]+) \|", text, re.MULTILINE)[1:]
    named = [stage for row in rows for stage in row.split(", ")]
    optional = {"evaluate_base", "evaluate"}  # only where a recipe scores a split
    assert set(named) == set(STAGES) - optional


def test_the_glossary_is_in_alphabetical_order_in_two_languages() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", _text("docs/glossary.md"), re.MULTILINE)[1:]
    terms = [term for term, _, _ in rows if term.strip("-")]
    assert terms == sorted(terms, key=str.lower)
    assert len(set(terms)) == len(terms) > 30
    assert all(not chinese.isascii() for term, chinese, _ in rows if term in terms)


def test_every_repair_stands_in_the_table_of_repairs() -> None:
    from orchestrator.datasets.audit import DUPLICATE
    from orchestrator.datasets.repairs import OPTIONAL, SAFE, VALUES

    text = _text("docs/data.md")
    table = text.partition("| kind | what `--fix` does |")[2].partition("\n\n")[0]
    told = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert set(told) == {*SAFE, *VALUES, DUPLICATE, "encoding"}
    assert all(f"`--also {name}`" in text for name in OPTIONAL)


def test_the_changelog_opens_with_the_version() -> None:
    version = tomllib.loads(_text("pyproject.toml"))["project"]["version"]
    first = re.search(r"^## (\S+)", _text("CHANGELOG.md"), re.MULTILINE)
    assert first
    assert first[1] == version


def test_decisions_are_short_and_numbered_in_turn() -> None:
    decisions = sorted((ROOT / "docs/adr").glob("*.md"))
    for number, decision in enumerate(decisions, start=1):
        text = decision.read_text(encoding="utf-8")
        assert decision.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        assert len(text.splitlines()) <= 25


def test_ci_runs_what_the_readme_says() -> None:
    assert _text(".ci/run").splitlines()[-1] == "exec make test"
    assert ("sh", "make test\nmake unit\n") in _blocks(_text("README.md"))


@pytest.mark.parametrize("name", READMES)
def test_the_example_recipe_plans(name: str, tmp_path: Path) -> None:
    from orchestrator.execute.project import discovery
    from orchestrator.plan.plan import build_plan

    recipe, entry, row = (
        next(block for language, block in _blocks(_text(name)) if language == kind and mark in block)
        for kind, mark in (("yaml", "extends:"), ("yaml", "format:"), ("json", "instruction"))
    )
    project = tmp_path / "project"
    for folder in ("recipes", "dataset_info", "chat_templates"):
        shutil.copytree(ROOT / folder, project / folder)
    (project / "recipes/my_bot.yaml").write_text(recipe, encoding="utf-8")
    (project / "dataset_info/my_data.yaml").write_text(entry, encoding="utf-8")
    data = project / "dataset_info" / yaml.safe_load(entry)["file"]
    data.parent.mkdir(exist_ok=True)
    data.write_text(row, encoding="utf-8")
    assert json.loads(row)
    job = discovery.read_job("my_bot", project=project, sets=(), hardware="cpu")
    assert build_plan(job).recipe == "my_bot"
