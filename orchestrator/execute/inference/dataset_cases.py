"""Cases made of a dataset's rows: `- {from: test, limit: 20, expect: {similar: {least: 0.5}}}`.

A case sends the row's user messages, turn by turn, under the row's system prompt unless the recipe gives
one; the row's last answer, without its thinking, is the reference. Rows with other roles (tools) or without
an answer are skipped. The rows are those that `prepare` wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.checks.base import Case, DatasetCase
from orchestrator.checks.reference import with_reference
from orchestrator.errors import MissingError, Problem
from orchestrator.evaluation.samples import spread
from orchestrator.execute.host.jsonl import lines_of
from orchestrator.plan.stages.base import CONVERSATIONS

Message = Mapping[str, str]

_ROLES = {"system", "user", "assistant"}


def cases_in(cases: Sequence[Case | DatasetCase], folder: Path) -> list[Case]:
    """The cases, each DatasetCase replaced by those of its rows, read from a run folder."""
    path = folder / CONVERSATIONS
    return [one for case in cases for one in ([case] if isinstance(case, Case) else _of_rows(case, path))]


def _of_rows(case: DatasetCase, path: Path) -> Iterator[Case]:
    """The cases of the first to the last row, evenly spread where there are more than the limit."""
    names = set(case.datasets)
    total = sum(1 for _ in _usable(path, names))
    if not total:
        what = f"{case.id}: no row of {', '.join(sorted(names))} can be asked"
        raise MissingError(Problem(what, str(path), "prepare the data again: conch sft, or conch run"))
    chosen = frozenset(spread(total, case.limit or total))
    return (_case(case, at, row) for at, row in enumerate(_usable(path, names)) if at in chosen)


def _usable(path: Path, names: set[str]) -> Iterator[Sequence[Message]]:
    for line in lines_of(path):
        if line["dataset"] not in names:
            continue
        messages = line["messages"]
        roles = {message["role"] for message in messages}
        if roles <= _ROLES and "user" in roles and _reference(messages):
            yield messages


def _case(case: DatasetCase, at: int, messages: Sequence[Message]) -> Case:
    turns = {role: tuple(one["content"] for one in messages if one["role"] == role) for role in _ROLES}
    system = case.system or "".join(turns["system"][:1])
    expect = with_reference(case.expect, _reference(messages))
    return Case(
        f"{case.id}.rows[{at}]", turns["user"], system, expect, tools=case.tools, results=case.results
    )


def _reference(messages: Sequence[Message]) -> str:
    """The row's last answer without its thinking; "" when it ends otherwise."""
    last = messages[-1]
    return last["content"].rpartition("</think>")[2].strip() if last["role"] == "assistant" else ""
