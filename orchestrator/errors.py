"""The error tree and its exit codes. Nothing else in Conch decides an exit code.

    ConchError
    ├── UsageError      2   the recipe, the data or the command line is wrong
    ├── MissingError    3   a model, an environment, disk space, a port, a GPU or a version is missing
    ├── StageFailed     4   a stage's child process failed
    ├── CheckFailed     5   it ran and the answer is no (a check, a proof or a target)
    ├── BusyError       6   another process uses it
    ├── TimedOut        7   it took too long
    └── Interrupted   130   Ctrl-C (143 for SIGTERM)

0 is success; 1 is a bug in Conch and has no class. An error carries one or more `Problem`s: all mistakes
found at once, each with what is wrong, where, and how to fix it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        what: one sentence that the user can act on.
        where: `file:line:column`, a path, or "".
        hint: the command or edit that fixes it, or "".
    """

    what: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.where}  " if self.where else ""
        hint = f"\n    → {self.hint}" if self.hint else ""
        return f"{where}{self.what}{hint}"


# A file that is too large for its file system or for the user's limit leaves as little room.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_disk_full(*numbers: int | None) -> bool:
    """Whether one of the numbers of OSErrors says that there is no room."""
    return not _FULL.isdisjoint(numbers)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most similar to a mistyped one; "" if none is similar.

    >>> nearest("contain", ["contains", "equals"])
    'contains'
    """
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), n=1)), "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known word as the end of a sentence; "" if none is similar.

    >>> did_you_mean("contain", ["contains", "equals"])
    '; did you mean "contains"?'
    """
    near = nearest(word, known)
    return f'; did you mean "{near}"?' if near else ""


class ConchError(Exception):
    """A failure that the user can understand; caught at one boundary (cli/main.py)."""

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
    """Something required is missing: model, environment, disk space, port, GPU, version."""

    exit_code = 3


class StageFailed(ConchError):
    """A child process of a stage failed."""

    exit_code = 4


class CheckFailed(ConchError):
    """It ran, and the answer is no: a check failed, a proof does not hold, a target is missed."""

    exit_code = 5


class BusyError(ConchError):
    """Another process uses what is needed."""

    exit_code = 6


class TimedOut(ConchError):
    """It took too long."""

    exit_code = 7


class Interrupted(ConchError):
    """A signal ended it: exit 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""

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
    """The error for the exit code of one of our own child processes; StageFailed for an unknown code."""
    for kind in TREE:
        if kind.exit_code == exit_code:
            return kind(*problems)
    return StageFailed(*problems)


def exit_code_of(error: ConchError) -> int:
    """The exit code of an error: its class's, or 128 plus the signal number."""
    return 128 + error.signum if isinstance(error, Interrupted) else error.exit_code
