"""JSON text → a tree whose keys and values have their line and column. Pure; for small files only."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator

from orchestrator.errors import Problem, UsageError
from orchestrator.recipe.tree import Node

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


def read_json(text: str, file: str) -> tuple[Node, list[Problem]]:
    """The tree, and the duplicate keys of its objects (a JSON reader takes the last).

    Args:
        text: of the file.
        file: its name, for messages.

    Raises:
        UsageError: it is not JSON; with the line and column of the error.
    """
    try:
        json.loads(text)
        reader = _Reader(text, file)
        return reader.value(reader.take()), reader.problems
    except json.JSONDecodeError as error:
        raise UsageError(_syntax(error, text, file)) from None
    except RecursionError:
        raise UsageError(Problem("nested too deeply", file)) from None
    except ValueError as error:  # a number of thousands of digits
        raise UsageError(Problem(f"not JSON: {error}", file)) from None


def _syntax(error: json.JSONDecodeError, text: str, file: str) -> Problem:
    where = f"{file}:{error.lineno}:{error.colno}"
    if text.startswith("\ufeff"):
        return Problem("it starts with a byte order mark", where, "save it as UTF-8 without BOM")
    before, after = text[: error.pos].rstrip(), text[error.pos :].lstrip()
    if (before.endswith(",") and after[:1] in {"}", "]"}) or error.msg.startswith("Illegal trailing comma"):
        return Problem("a trailing comma", where, "delete the comma")
    if after.startswith(("//", "#", "/*")):
        return Problem("a comment: JSON has none", where, "delete it")
    if after.startswith("'"):
        return Problem("single quotes", where, 'put keys and texts in double quotes: "…"')
    return Problem(f"not JSON: {error.msg}", where, "fix the JSON there")


class _Reader:
    """Reads text that has been checked to be JSON."""

    def __init__(self, text: str, file: str) -> None:
        self.file, self.problems = file, list[Problem]()
        self._tokens = _TOKEN.finditer(text)
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def take(self) -> re.Match[str]:
        """The next token."""
        return next(self._tokens)

    def _location(self, token: re.Match[str]) -> str:
        """file:line:column of a token, counted from 1."""
        line = bisect_right(self._lines, token.start())
        return f"{self.file}:{line}:{token.start() - self._lines[line - 1] + 1}"

    def value(self, token: re.Match[str], key_where: str = "") -> Node:
        """The value that begins with a token."""
        where = self._location(token)
        if token[0] == "{":
            return Node(self._object(), where, key_where or where)
        if token[0] == "[":
            return Node(list(self._items()), where, key_where or where)
        return Node(json.loads(token[0]), where, key_where or where, text=token[0])

    def _object(self) -> dict[str, Node]:
        found: dict[str, Node] = {}
        while (token := self.take())[0] != "}":
            if token[0] == ",":
                continue
            key, where = json.loads(token[0]), self._location(token)
            self.take()  # the colon
            if key in found:
                first = found[key].key_where.rsplit(":", 2)[1]
                what = f'duplicate key "{key}"; the first one is on line {first}'
                self.problems.append(Problem(what, where, "keep one: only the last one is read"))
            found[key] = self.value(self.take(), where)
        return found

    def _items(self) -> Iterator[Node]:
        while (token := self.take())[0] != "]":
            if token[0] != ",":
                yield self.value(token)
