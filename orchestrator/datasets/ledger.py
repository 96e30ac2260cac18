"""The ledger of rows that are left out: one line a row, with its place and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from orchestrator.datasets.base import RowProblem, excerpt


def ledger_line(where: str, found: Iterable[RowProblem], row: Any) -> bytes:
    r"""{"where", "kinds", "what", "row"} of a row that is left out.

    A row that JSON cannot say again (half a character, nested without end) stands there cut, as text.

    >>> ledger_line("a:1", [RowProblem("null", "空")], {"output": "\ud83d"})
    b'{"where":"a:1","kinds":["null"],"what":["\xe7\xa9\xba"],"row":"{\'output\': \'\\\\ud83d\'}"}\n'
    """
    problems = list(found)
    told = {
        "where": where,
        "kinds": sorted({problem.kind for problem in problems}),
        "what": [problem.what for problem in problems],
        "row": row,
    }
    try:
        return orjson.dumps(told, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps({**told, "row": excerpt(row)}, option=orjson.OPT_APPEND_NEWLINE)
