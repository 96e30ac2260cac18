"""The judge in `conch compare`: which of two answers is better.

A model that answers sees each pair in both orders; a reward model scores each answer.

    compare/judged.jsonl    {"key", "row"} of each pair as it is judged, append-only

A key is the hash of everything that the judge is shown and of the judge itself, so nothing is asked twice
while answers and judge stay the same. Failures are not stored and are retried. A judge that cannot be reached
does not fail the comparison: its error is reported beside the earlier verdicts.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.errors import ConchError, Interrupted, UsageError
from orchestrator.evaluation.comparison import Compared, ComparedRow
from orchestrator.evaluation.llm_judge import (
    FAILED,
    SCHEMA,
    SCHEMA_NAME,
    TIE,
    A,
    AnswerPair,
    B,
    JudgeResult,
    JudgeRow,
    fold,
    parse_verdict,
    question_messages,
    tally,
)
from orchestrator.evaluation.samples import spread
from orchestrator.execute.host import machine, signals
from orchestrator.execute.host.atomic_files import append_durable
from orchestrator.execute.inference.api_key import read_key
from orchestrator.execute.inference.client import Client
from orchestrator.execute.inference.token_server import TokenServer
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.processes.worker_pool import as_done
from orchestrator.execute.project import recipes
from orchestrator.execute.project.endpoint import reward_server
from orchestrator.execute.run_store.manifest import read_manifest
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.recipe import Judge

JUDGED = "compare/judged.jsonl"
# Checks are judged already, by what their case expects.
KINDS = ("split", "general")
KEY = "CONCH_JUDGE_KEY"
CONCURRENCY = 4
LONGEST_VERDICT = 4096
_BUG = "the judge could not be asked because of a bug in Conch; see the trace above"
_DEAD = "not judged: "

Listener = Callable[[int, int, JudgeRow], None]


def judge_of(run: Run) -> Judge | None:
    """The judge of a run's recipe as the file is now: you can add or change one after training.

    If the recipe file is gone, the judge that the run was made with. One that is a recipe gets the address
    and the model name of that recipe's server; UsageError if it trains no reward model.
    """
    judge = _judge_of(run)
    if judge is None or judge.recipe is None:
        return judge
    url, model = reward_server(judge.recipe, start=run.project)
    return judge.model_copy(update={"base_url": url, "model": model})


def _judge_of(run: Run) -> Judge | None:
    try:
        hardware = machine.hardware()
        found = recipes.read(run.recipe, project=run.project, environ=os.environ, machine=hardware)
    except UsageError:
        values = {
            key.removeprefix("judge."): one["value"]
            for key, one in read_manifest(run).get("recipe", {}).items()
            if key.startswith("judge.")
        }
        return Judge(**values) if values.get("base_url") or values.get("recipe") else None
    return found.recipe.judge


def judge_comparison(
    run: Run, comparison: Compared, judge: Judge, progress: Progress, *, concurrency: int = CONCURRENCY
) -> JudgeResult:
    """Have the answers of a comparison judged.

    Args:
        run: its folder stores the verdicts.
        comparison: the answers.
        judge: the judge.
        progress: receives progress.
        concurrency: pairs judged at a time.

    Returns:
        The verdicts; "error" says why the judge was not asked, or not about all pairs.

    Raises:
        Interrupted: a signal came; the verdicts so far are stored.
    """
    pairs = [_pair(row) for row in comparison["rows"] if row["kind"] in KINDS]
    chosen = [pairs[at] for at in spread(len(pairs), judge.question_limit)]
    path = run.path / JUDGED
    known = _known(path)
    keys = {pair["id"]: _key(judge, pair) for pair in chosen}
    missing = [pair for pair in chosen if keys[pair["id"]] not in known]
    rows = {pair["id"]: known[keys[pair["id"]]] for pair in chosen if keys[pair["id"]] in known}
    error = ""

    def store(done: int, total: int, row: JudgeRow) -> None:
        progress.now(f"judge {judge.model}: {done} of {total} pairs")
        rows[row["id"]] = row
        if row["verdict"] != FAILED:
            line = json.dumps({"key": keys[row["id"]], "row": row}, ensure_ascii=False)
            append_durable(path, line.encode(), sync=False)

    if missing:
        progress.say(f"asking the judge {judge.model} about {len(missing)} pairs of answers")
        error = _ask(judge, missing, run.project, concurrency, store)
    found = folded(judge.model, len(pairs), [rows[pair["id"]] for pair in chosen if pair["id"] in rows])
    return {**found, "a": comparison["a"], "b": comparison["b"], "error": error or found["error"]}


def judge_client(
    judge: Judge, *, project: Path, environ: Mapping[str, str] = os.environ, timeout: float = 300.0
) -> Client:
    """A client of a recipe's judge, greedy; its key is from its key file, else CONCH_JUDGE_KEY, else none.

    Raises:
        MissingError: there is no such key file, or others may read it.
        UsageError: it holds no key, or the address is invalid.
    """
    key = _key_of(judge, project, environ)
    return Client(
        judge.base_url, judge.model, key=key, max_tokens=LONGEST_VERDICT, temperature=0.0, timeout=timeout
    )


def _key_of(judge: Judge, project: Path, environ: Mapping[str, str]) -> str:
    file = project / Path(judge.key_file).expanduser() if judge.key_file else None
    return read_key(file, environ, variable=KEY)


def judge_pairs(
    client: Client,
    pairs: Sequence[AnswerPair],
    *,
    limit: int = 50,
    criteria: str = "",
    concurrency: int = CONCURRENCY,
    listener: Listener = lambda _done, _total, _row: None,
) -> JudgeResult:
    """The judge's verdicts; failures are counted.

    Args:
        client: of the judge.
        pairs: two equal answers are a tie without a request.
        limit: the largest number of pairs, evenly spread.
        criteria: what makes an answer better; "" for the default.
        concurrency: pairs judged at a time.
        listener: receives (done, total, row) for each row.

    Raises:
        Interrupted: a signal came; the listener has the verdicts so far.
    """
    chosen = [pairs[number] for number in spread(len(pairs), limit)]
    rows: dict[int, JudgeRow] = {}
    for number, row in _rows(client, chosen, criteria, concurrency):
        rows[number] = row
        listener(len(rows), len(chosen), row)
    return folded(client.model, len(pairs), [rows[number] for number in sorted(rows)])


def folded(model: str, of: int, rows: Sequence[JudgeRow]) -> JudgeResult:
    """The result of rows that may have been judged at different times."""
    judged = [row for row in rows if row["verdict"] != FAILED]
    return {
        "model": model,
        "of": of,
        "judged": len(judged),
        "swayed": sum(row["orders"][0] != row["orders"][1] for row in judged),
        **tally(row["verdict"] for row in rows),  # type: ignore[typeddict-item]  # mypy #9408
        "error": next(
            (row["error"].removeprefix(_DEAD) for row in rows if row["error"].startswith(_DEAD)), ""
        ),
        "rows": list(rows),
    }


def _ask(
    judge: Judge, pairs: Sequence[AnswerPair], project: Path, concurrency: int, listener: Listener
) -> str:
    """Have the pairs judged; "", or why they cannot be."""
    try:
        with signals.catch_signals(), judge_client(judge, project=project) as client:
            if judge.recipe:
                client.is_listed(hint=f"conch serve {judge.recipe}")
                key = _key_of(judge, project, os.environ)
                with TokenServer(judge.base_url, judge.model, key) as server:
                    _by_scores(server, pairs, listener)
                return ""
            client.reach()
            criteria = judge.criteria or ""
            judge_pairs(
                client,
                pairs,
                limit=len(pairs),
                criteria=criteria,
                concurrency=concurrency,
                listener=listener,
            )
    except Interrupted:
        raise
    except ConchError as error:
        return error.problems[0].what
    return ""


def _by_scores(server: TokenServer, pairs: Sequence[AnswerPair], listener: Listener) -> None:
    """Have a reward model score both answers of each pair; the higher score wins."""
    for number, pair in enumerate(pairs, 1):
        signals.check()
        try:
            a, b = (
                server.score_messages([*pair["messages"], {"role": "assistant", "content": answer}])
                for answer in (pair["a"], pair["b"])
            )
        except ValueError as error:
            listener(number, len(pairs), _row(pair, FAILED, error=str(error)))
            continue
        winner = TIE if a == b else A if a > b else B
        row = _row(pair, winner, orders=[winner, winner], reasons=[f"{a:.3f} against {b:.3f}", ""])
        listener(number, len(pairs), row)


def _pair(row: ComparedRow) -> AnswerPair:
    """The pair of a row; a conversation of several turns is shown as a whole."""
    messages = row.get("messages") or ()
    question = row["question"]
    if len(messages) > 1:
        question = "\n\n".join(f"[{one['role']}] {one['content']}" for one in messages)
    return {
        "id": row["id"],
        "question": question,
        "reference": row["reference"],
        "messages": [dict(one) for one in messages] or [{"role": "user", "content": row["question"]}],
        "a": row["a"],
        "b": row["b"],
    }


def _key(judge: Judge, pair: AnswerPair) -> str:
    texts = (pair["a"], pair["b"], pair["id"], pair["question"], pair["reference"])
    shown = [judge.base_url, judge.model, judge.criteria or "", *texts]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


def _known(path: Path) -> dict[str, JudgeRow]:
    """Key → row of the stored verdicts; a truncated line is skipped."""
    known: dict[str, JudgeRow] = {}
    for line in path.read_bytes().split(b"\n") if path.is_file() else ():
        try:
            stored = json.loads(line)
            known[stored["key"]] = stored["row"]
        except (ValueError, KeyError, TypeError):
            continue
    return known


def _rows(
    client: Client, pairs: Sequence[AnswerPair], criteria: str, concurrency: int
) -> Iterator[tuple[int, JudgeRow]]:
    """Each pair's number and row, in the order in which they finish."""
    liveness = _Liveness(client)
    rows = as_done(
        lambda at: _judge(client, pairs[at], criteria, liveness),
        len(pairs),
        concurrency=concurrency,
        meanwhile=signals.check,
    )
    for number, row in rows:
        if isinstance(row, ConchError):  # a server's errors are rows already
            raise row
        yield number, row or _row(pairs[number], FAILED, error=_BUG)


class _Liveness:
    """Whether the judge died, and why; checked after a failure, by one thread at a time."""

    def __init__(self, client: Client) -> None:
        self._client, self._lock, self.error = client, threading.Lock(), ""

    def check(self) -> None:
        with self._lock:
            if self.error:
                return
            try:
                self._client.still_there()
            except ConchError as error:
                self.error = error.problems[0].what


def _judge(client: Client, pair: AnswerPair, criteria: str, liveness: _Liveness) -> JudgeRow:
    if liveness.error:
        return _row(pair, FAILED, error=_DEAD + liveness.error)
    if pair["a"].strip() == pair["b"].strip():
        return _row(pair, TIE, orders=[TIE, TIE], reasons=["the two answers are the same", ""])
    orders, reasons = [], []
    for swapped in (False, True):
        turn = client.ask_bound(question_messages(pair, criteria, swapped=swapped), SCHEMA_NAME, SCHEMA)
        if turn.error:
            liveness.check()
            return _row(pair, FAILED, error=(_DEAD + liveness.error) if liveness.error else turn.error)
        try:
            winner, reason = parse_verdict(turn.content, swapped=swapped)
        except ValueError as error:
            return _row(pair, FAILED, error=str(error))
        orders.append(winner)
        reasons.append(reason)
    return _row(pair, fold(*orders), orders=orders, reasons=reasons)


def _row(
    pair: AnswerPair,
    verdict: str,
    *,
    orders: Sequence[str] = (),
    reasons: Sequence[str] = (),
    error: str = "",
) -> JudgeRow:
    return {
        "id": pair["id"],
        "verdict": verdict,
        "orders": list(orders),
        "reasons": list(reasons),
        "error": error,
    }
