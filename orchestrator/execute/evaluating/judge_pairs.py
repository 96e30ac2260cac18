"""Put pairs of answers to a judge model, each in both orders, several at a time; what fails is counted.

Off unless the recipe has a `judge:` section. What was judged before the judge died stays judged.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.errors import ConchError
from orchestrator.evaluation.llm_judge import (
    FAILED,
    SCHEMA,
    SCHEMA_NAME,
    TIE,
    fold,
    parse_verdict,
    question_messages,
    tally,
)
from orchestrator.evaluation.samples import spread
from orchestrator.execute.host import signals
from orchestrator.execute.inference.api_key import read_key
from orchestrator.execute.inference.client import Client
from orchestrator.execute.processes.worker_pool import as_done
from orchestrator.recipe import Judge

KEY = "CONCH_JUDGE_KEY"
CONCURRENCY = 4
LONGEST_VERDICT = 4096
_BUG = "the judge could not be asked: a bug in Conch; the trace is above"
_DEAD = "not judged: "

Pair = Mapping[str, Any]
Row = dict[str, Any]


def judge_client(
    judge: Judge, *, project: Path, environ: Mapping[str, str] = os.environ, timeout: float = 300.0
) -> Client:
    """A client of a recipe's judge, greedy; the key of its file, else of CONCH_JUDGE_KEY, else none.

    Raises:
        MissingError: the key file is not there, or others may read it.
        UsageError: it holds no key, or the address is none.
    """
    file = project / Path(judge.key_file).expanduser() if judge.key_file else None
    key = read_key(file, environ, variable=KEY)
    return Client(
        judge.base_url, judge.model, key=key, max_tokens=LONGEST_VERDICT, temperature=0.0, timeout=timeout
    )


def judge_pairs(
    client: Client,
    pairs: Sequence[Pair],
    *,
    limit: int = 50,
    criteria: str = "",
    concurrency: int = CONCURRENCY,
    told: Callable[[int, int, Row], None] = lambda _done, _total, _row: None,
) -> dict[str, Any]:
    """What the judge says of each pair, and in all.

    Args:
        client: of the judge.
        pairs: {"id", "question", "reference", "a", "b"}; two answers that are the same are a tie, unasked.
        limit: at most so many of the pairs, evenly from all of them.
        criteria: what makes an answer the better one; "" for the usual.
        concurrency: pairs that are under way together.
        told: is given each row as it comes: how many are done, of how many, the row.

    Returns:
        judging.tally() of the verdicts, and "model", "of" (all pairs), "judged", "swayed" (pairs whose two
        orders say different things), "error" ("", or why judging ended early), "rows": in the order of the
        pairs {"id", "verdict": "a"|"b"|"tie"|"failed", "orders": [first, second], "reasons", "error"}.

    Raises:
        Interrupted: a signal came; what was judged by then was told.
    """
    chosen = [pairs[number] for number in spread(len(pairs), limit)]
    rows: dict[int, Row] = {}
    for number, row in _rows(client, chosen, criteria, concurrency):
        rows[number] = row
        told(len(rows), len(chosen), row)
    return folded(client.model, len(pairs), [rows[number] for number in sorted(rows)])


def folded(model: str, of: int, rows: Sequence[Row]) -> dict[str, Any]:
    """What judge_pairs returns, of rows that may have been judged at several times."""
    dead = next((row["error"].removeprefix(_DEAD) for row in rows if row["error"].startswith(_DEAD)), "")
    return {
        "model": model,
        "of": of,
        "judged": sum(row["verdict"] != FAILED for row in rows),
        "swayed": sum(row["verdict"] != FAILED and row["orders"][0] != row["orders"][1] for row in rows),
        **tally(row["verdict"] for row in rows),
        "error": dead,
        "rows": list(rows),
    }


def _rows(
    client: Client, pairs: Sequence[Pair], criteria: str, concurrency: int
) -> Iterator[tuple[int, Row]]:
    """Each pair's number and row, as they come."""
    ended = _Ended(client)
    rows = as_done(
        lambda at: _judge(client, pairs[at], criteria, ended),
        len(pairs),
        concurrency=concurrency,
        meanwhile=signals.check,
    )
    for number, row in rows:
        if isinstance(row, ConchError):  # every one of a server's is a row already
            raise row
        yield number, row or _failed(pairs[number], _BUG)


class _Ended:
    """Whether the judge has died, and what was said of it; asked after a failure, by one thread at a time."""

    def __init__(self, client: Client) -> None:
        self._client, self._lock, self.why = client, threading.Lock(), ""

    def look(self) -> None:
        with self._lock:
            if self.why:
                return
            try:
                self._client.still_there()
            except ConchError as error:
                self.why = error.problems[0].what


def _judge(client: Client, pair: Pair, criteria: str, ended: _Ended) -> Row:
    if ended.why:
        return _failed(pair, _DEAD + ended.why)
    if str(pair["a"]).strip() == str(pair["b"]).strip():
        return _row(pair, TIE, orders=[TIE, TIE], reasons=["the two answers are the same", ""])
    orders, reasons = [], []
    for swapped in (False, True):
        turn = client.ask_bound(question_messages(pair, criteria, swapped=swapped), SCHEMA_NAME, SCHEMA)
        if turn.error:
            ended.look()
            return _failed(pair, (_DEAD + ended.why) if ended.why else turn.error)
        try:
            winner, reason = parse_verdict(turn.content, swapped=swapped)
        except ValueError as error:
            return _failed(pair, str(error))
        orders.append(winner)
        reasons.append(reason)
    return _row(pair, fold(*orders), orders=orders, reasons=reasons)


def _failed(pair: Pair, error: str) -> Row:
    return _row(pair, FAILED, error=error)


def _row(
    pair: Pair, verdict: str, *, orders: Sequence[str] = (), reasons: Sequence[str] = (), error: str = ""
) -> Row:
    return {
        "id": pair["id"],
        "verdict": verdict,
        "orders": list(orders),
        "reasons": list(reasons),
        "error": error,
    }
