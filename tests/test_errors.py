"""The error tree: every class has its exit code, drawn and listed; a problem says how it is fixed."""

from __future__ import annotations

import re
import signal

import pytest

from orchestrator import errors
from orchestrator.errors import ConchError, Interrupted, Problem, StageFailed, error_for, exit_code_of


def _subclasses(kind: type[ConchError]) -> set[type[ConchError]]:
    below = set(kind.__subclasses__())
    return below.union(*(_subclasses(each) for each in below))


def test_the_tree_lists_every_class_and_no_code_twice() -> None:
    assert set(errors.TREE) == _subclasses(ConchError)
    codes = [kind.exit_code for kind in errors.TREE]
    assert len(set(codes)) == len(codes)
    assert not {0, 1} & set(codes)


def test_the_drawing_is_the_tree() -> None:
    drawn = dict(re.findall(r"(?:├|└)── (\w+) +(\d+)", errors.__doc__ or ""))
    assert drawn == {kind.__name__: str(kind.exit_code) for kind in errors.TREE}


@pytest.mark.parametrize("kind", errors.TREE)
def test_a_child_of_ours_hands_its_error_on_by_exit_code(kind: type[ConchError]) -> None:
    error = error_for(kind.exit_code, "as the child said")
    assert type(error) is kind
    assert error.problems == (Problem("as the child said"),)


@pytest.mark.parametrize("code", [1, 8, 127, -9])
def test_any_other_exit_code_is_a_failed_stage(code: int) -> None:
    assert type(error_for(code, "died")) is StageFailed


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_exits_as_a_shell_says_it(signum: signal.Signals) -> None:
    assert exit_code_of(Interrupted(signum=signum)) == 128 + signum


def test_a_problem_prints_what_where_and_the_fix() -> None:
    problem = Problem("must be above 0, got -1", where="recipes/a.yaml:14:12", hint="write a larger one")
    assert str(problem) == "recipes/a.yaml:14:12  must be above 0, got -1\n    → write a larger one"
    assert str(Problem("gone")) == "gone"


def test_an_error_says_all_its_problems() -> None:
    error = errors.UsageError("one", Problem("two", hint="so"))
    assert str(error) == "one\ntwo\n    → so"
