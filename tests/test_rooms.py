"""Every plug is on its board, every module has its test, and what lies beside the code is whole.

A module is the plug, a dict is the board: a file that was added without its line, or without a test, is
found here. Not covered: whether a test is a good one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from orchestrator.checks import CHECKS, EVERY
from orchestrator.cli.data import DATA_VERBS
from orchestrator.cli.main import VERBS, conch
from orchestrator.cli.runs import RUNS_VERBS
from orchestrator.datasets.formats import FORMATS
from orchestrator.execute.launchers import LAUNCHERS
from orchestrator.execute.runner.task import TASKS
from orchestrator.hubs import HUBS
from orchestrator.plan.kinds import KINDS
from orchestrator.plan.stages import STAGES
from orchestrator.templates.families import FAMILIES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "orchestrator"
TESTS = ROOT / "tests"


@dataclass(frozen=True, slots=True)
class Board:
    """A room, its table, and the top-level name by which a file there is known as a plug."""

    room: str
    table: Iterable[str]
    mark: str
    prefix: str = ""


BOARDS = (
    Board("cli", VERBS, "command"),
    Board("cli", DATA_VERBS, "command", "data_"),
    Board("cli", RUNS_VERBS, "command", "runs_"),
    Board("plan/stages", STAGES, "stage"),
    Board("plan/kinds", KINDS, "train_settings"),
    Board("checks", CHECKS, "CHECK"),
    Board("datasets/formats", FORMATS, "sniff"),
    Board("templates/families", FAMILIES, "FAMILY"),
    Board("hubs", HUBS, "hub"),
    Board("execute/launchers", LAUNCHERS, "start"),
)


def _modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if path.name != "__init__.py"]


def _names(path: Path) -> set[str]:
    """The top-level names that a file defines."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _plugs(board: Board) -> list[str]:
    room = sorted((PACKAGE / board.room).glob("*.py"))
    plugs = [path.stem for path in room if path.name != "__init__.py" and board.mark in _names(path)]
    return [name.removeprefix(board.prefix) for name in plugs if _is_of(name, board)]


def _is_of(name: str, board: Board) -> bool:
    """Whether a plug of a room is of this board: `data_audit` is a verb of `conch data`."""
    others = [other.prefix for other in BOARDS if other.room == board.room and other != board]
    return name.startswith(board.prefix) and not any(name.startswith(one) for one in others if one)


def _covered() -> set[str]:
    """What the tests import, and what they say in a line `# Covers ROOM/NAME.py ROOM/` that they cover."""
    found: set[str] = set()
    for path in TESTS.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for line in re.findall(r"^# Covers (.+)$", text, re.MULTILINE):
            found |= set(line.split())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
                found |= {name.removeprefix("orchestrator.").replace(".", "/") + ".py" for name in names}
    return found


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.room + board.prefix)
def test_every_plug_has_its_line_and_every_line_its_plug(board: Board) -> None:
    assert sorted(_plugs(board)) == sorted(board.table)


def test_every_module_has_a_test() -> None:
    covered = _covered()
    for module in _modules(PACKAGE):
        inside = module.relative_to(PACKAGE)
        own = TESTS / inside.parent / f"test_{inside.stem}.py"
        assert own.is_file() or {str(inside), f"{inside.parent}/"} & covered, (
            f"write {own.relative_to(ROOT)}, or say `# Covers {inside}` in the test that covers it"
        )


def test_what_tests_say_that_they_cover_is_there() -> None:
    said = re.compile(r"^# Covers (.+)$", re.MULTILINE)
    for path in TESTS.rglob("*.py"):
        for line in said.findall(path.read_text(encoding="utf-8")):
            for name in line.split():
                assert (PACKAGE / name).exists(), f"{path}: {name}"


def test_every_verb_has_help_with_an_example() -> None:
    import click

    for name in VERBS:
        command = conch.get_command(click.Context(conch), name)
        assert command is not None
        help_ = command.get_help(click.Context(command, info_name=name))
        assert f"conch {name}" in help_, f"{name} --help has no example"
        assert command.help, f"{name} has no docstring"


def test_every_task_is_a_function() -> None:
    for name, place in TASKS.items():
        module, _, function = place.partition(":")
        assert callable(getattr(import_module(module), function)), name


def test_the_checks_of_every_answer_need_no_argument() -> None:
    for name in EVERY:
        assert CHECKS[name].problem(True) is None, name


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_opens_with_the_commands_that_run_it(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=recipe.schema.json\n")
    opening = re.match(r"(#[^\n]*\n)+", text)
    assert opening
    assert re.search(rf"conch (run|sft|plan) {recipe.stem}\b", opening[0])
    for verb in re.findall(r"# +conch (\w+)", opening[0]):
        assert verb in VERBS


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_has_its_golden_plans(recipe: Path) -> None:
    assert list((TESTS / "golden").glob(f"{recipe.stem}*"))


def test_every_chat_template_is_a_pair() -> None:
    folder = ROOT / "chat_templates"
    assert {path.stem for path in folder.glob("*.jinja")} == {path.stem for path in folder.glob("*.yaml")}


@pytest.mark.parametrize("entry", sorted((ROOT / "dataset_info").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_data_set_has_its_files_and_its_licence(entry: Path) -> None:
    said = yaml.safe_load(entry.read_text(encoding="utf-8"))
    assert said["format"] in FORMATS
    assert said["licence"]
    for key in ("file", "paraphrases"):
        assert key not in said or (entry.parent / said[key]).is_file(), said[key]
