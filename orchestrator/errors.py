"""The error tree and its exit codes. Nothing else in Conch decides an exit code.

    ConchError
    ├── UsageError      2   the recipe, the data or the command line is wrong
    ├── MissingError    3   a model, an environment, disk, a port, a GPU, a version is missing
    ├── StageFailed     4   a stage's child failed
    ├── CheckFailed     5   it ran and the answer is no (a check or a proof)
    ├── BusyError       6   another run holds it
    ├── TimedOut        7   it did not come in time
    └── Interrupted   130   Ctrl-C (143 for SIGTERM)

0 is success; 1 is a bug in Conch and has no class. An error carries one or more `Problem`s, all the
mistakes found at once, each with what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        what: one sentence a user can act on, without a traceback.
        where: `file:line:column`, a path, or "" when no place is to blame.
        hint: the command or the edit that fixes it, "" when there is none.
    """

    what: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.where}  " if self.where else ""
        hint = f"\n    → {self.hint}" if self.hint else ""
        return f"{place}{self.what}{hint}"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that a mistyped one most likely stands for; "" when none is near.

    >>> nearest("contain", ["contains", "equals"])
    'contains'
    """
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), n=1)), "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known word as the end of a sentence; "" when none is near.

    >>> did_you_mean("contain", ["contains", "equals"])
    '; did you mean "contains"?'
    """
    near = nearest(word, known)
    return f'; did you mean "{near}"?' if near else ""


class ConchError(Exception):
    """A failure the user can understand; caught at one boundary (cli/main.py)."""

    exit_code: ClassVar[int]

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: tuple[Problem, ...] = tuple(
            problem if isinstance(problem, Problem) else Problem(problem) for problem in problems
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(ConchError):
    """The recipe, the data or the command line is wrong."""

    exit_code = 2


class MissingError(ConchError):
    """Something that is needed is not there: model, environment, disk, port, GPU, version."""

    exit_code = 3


class StageFailed(ConchError):
    """A child process of a stage failed."""

    exit_code = 4


class CheckFailed(ConchError):
    """It ran, and the answer is no: a check failed or a proof does not hold."""

    exit_code = 5


class BusyError(ConchError):
    """Another process holds what is needed."""

    exit_code = 6


class TimedOut(ConchError):
    """It did not happen in time."""

    exit_code = 7


class Interrupted(ConchError):
    """A signal ended it: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""

    exit_code = 130

    def __init__(self, *problems: Problem | str, signum: int = 2) -> None:
        super().__init__(*problems)
        self.signum = signum


TREE: tuple[type[ConchError], ...] = (
    UsageError,
    MissingError,
    StageFailed,
    CheckFailed,
    BusyError,
    TimedOut,
    Interrupted,
)


def error_for(exit_code: int, *problems: Problem | str) -> ConchError:
    """The error of an exit code that a child of ours returned; StageFailed for any other code."""
    for kind in TREE:
        if kind.exit_code == exit_code:
            return kind(*problems)
    return StageFailed(*problems)


def exit_code_of(error: ConchError) -> int:
    """The process exit code of an error: its class's, or 128 + the signal's number."""
    return 128 + error.signum if isinstance(error, Interrupted) else error.exit_code
