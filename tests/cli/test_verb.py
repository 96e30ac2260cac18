"""The shape of a verb: its module's name, its docstring, its example, --json."""

from __future__ import annotations

import click
import pytest

from orchestrator.cli.verb import Outcome, progress, recipe_argument, set_option, verb


@verb(example="conch do this\nconch do that")
@recipe_argument
@set_option
def command(recipe: str, sets: tuple[str, ...]) -> Outcome:
    """Do it."""
    return Outcome({"recipe": recipe, "sets": sets})


def _invoke(*words: str) -> Outcome:
    outcome = command.main(list(words), standalone_mode=False)
    assert isinstance(outcome, Outcome)
    return outcome


def test_help_has_the_docstring_the_example_and_json() -> None:
    text = command.get_help(click.Context(command))
    assert "Do it." in text
    assert "Example:\n    conch do this\n    conch do that" in text
    assert "--json" in text


def test_the_recipe_is_the_demo_unless_named_and_may_open_with_a_dash() -> None:
    assert _invoke().data["recipe"] == "magic_conch"
    assert _invoke("smoke", "--set", "a=1", "--set", "b=2").data == {
        "recipe": "smoke",
        "sets": ("a=1", "b=2"),
    }
    assert _invoke("--", "--evil").data["recipe"] == "--evil"


def test_json_is_for_the_boundary_and_not_for_the_body() -> None:
    assert _invoke("--json").data["recipe"] == "magic_conch"


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    progress("海螺 works")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "海螺 works\n")
