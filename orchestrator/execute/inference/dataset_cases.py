"""Cases that are made of a data set's rows: `- {from: test, limit: 20, expect: {similar: {least: 0.5}}}`.

A row asks what its user said, turn by turn, under its own system prompt unless the recipe gives one; what is
expected is held against its last answer, without the thinking. The rows are those that `prepare` wrote. A row
with other roles (tools) or without an answer is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.checks.base import Case
from orchestrator.checks.reference import with_reference
from orchestrator.errors import MissingError, Problem
from orchestrator.evaluation.samples import spread
from orchestrator.execute.host.jsonl import lines_of
from orchestrator.execute.inference.transcripts import case_of
from orchestrator.plan.stages.base import CONVERSATIONS

_ROLES = {"system", "user", "assistant"}


def is_drawn(row: Mapping[str, Any]) -> bool:
    """Whether a case of a task's settings stands for rows of the data."""
    return "from" in row


def cases_in(rows: Sequence[Mapping[str, Any]], folder: Path) -> list[Case]:
    """The cases of a task's settings, or of a Job; those of the data are read from a run folder.

    Args:
        rows: {"id", "ask", "system", "expect"}, or {"id", "system", "expect", "from", "limit", "datasets"}.
        folder: of the run.

    Raises:
        MissingError: the run's data is not there, or holds no such row.
    """
    cases: list[Case] = []
    for row in rows:
        cases += _drawn(row, folder / CONVERSATIONS) if is_drawn(row) else [case_of(row)]
    return cases


def _drawn(row: Mapping[str, Any], path: Path) -> list[Case]:
    """The cases of the first to the last row, evenly spread where there are more than the limit."""
    names = set(row["datasets"])
    total = sum(1 for _ in _usable(path, names))
    if not total:
        what = f"{row['id']}: no row of {', '.join(sorted(names))} can be asked"
        raise MissingError(Problem(what, str(path), "prepare the data again: conch sft, or conch run"))
    wanted = frozenset(spread(total, row.get("limit") or total))
    chosen = ((at, one) for at, one in enumerate(_usable(path, names)) if at in wanted)
    return [_case(row, at, messages) for at, messages in chosen]


def _usable(path: Path, names: set[str]) -> Iterator[Sequence[Mapping[str, str]]]:
    for line in lines_of(path):
        if line["dataset"] not in names:
            continue
        messages = line["messages"]
        roles = {message["role"] for message in messages}
        if roles <= _ROLES and "user" in roles and _reference(messages):
            yield messages


def _case(row: Mapping[str, Any], at: int, messages: Sequence[Mapping[str, str]]) -> Case:
    said = {role: tuple(one["content"] for one in messages if one["role"] == role) for role in _ROLES}
    system = row.get("system") or "".join(said["system"][:1])
    expect = with_reference(row["expect"], _reference(messages))
    return Case(f"{row['id']}.rows[{at}]", said["user"], system, expect, tools=tuple(row.get("tools") or ()))


def _reference(messages: Sequence[Mapping[str, str]]) -> str:
    """The row's last answer without its thinking; "" when it ends otherwise."""
    last = messages[-1]
    return last["content"].rpartition("</think>")[2].strip() if last["role"] == "assistant" else ""
