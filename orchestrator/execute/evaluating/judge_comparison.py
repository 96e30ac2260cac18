"""The judge's part of `conch compare`: which of two answers it takes for the better one.

    compare/judged.jsonl    {"key", "row"} of each pair as it comes, only ever appended to

A key is the hash of all that the judge was shown and of who it is, so that nothing is asked twice while
answers and judge are the same. What failed is not kept, and is asked again. A judge that cannot be asked
spoils no comparison: that is told with what it has said before.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.errors import ConchError, Interrupted, UsageError
from orchestrator.evaluation.llm_judge import FAILED
from orchestrator.evaluation.samples import spread
from orchestrator.execute.evaluating.judge_pairs import CONCURRENCY, Pair, folded, judge_client, judge_pairs
from orchestrator.execute.host import machine, signals
from orchestrator.execute.host.atomic_files import append_durable
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.project import recipes
from orchestrator.execute.run_store.manifest import read_manifest
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.recipe import Judge

JUDGED = "compare/judged.jsonl"
# Checks are judged already, by what their case expects.
KINDS = ("split", "general")

Row = dict[str, Any]


def judge_of(run: Run) -> Judge | None:
    """The judge of a run's recipe as it is written now: one may be named, or left out, after the training.

    Where there is no such recipe file any more, the one that the run was made with.
    """
    try:
        hardware = machine.hardware()
        found = recipes.read(run.recipe, project=run.project, environ=os.environ, machine=hardware)
    except UsageError:
        told = read_manifest(run).get("recipe", {})
        ours = {key: one["value"] for key, one in told.items() if key.startswith("judge.")}
        values = {key.partition(".")[2]: value for key, value in ours.items()}
        return Judge(**values) if values.get("base_url") else None
    return found.recipe.judge


def judge_comparison(
    run: Run,
    told: Mapping[str, Any],
    judge: Judge,
    progress: Progress,
    *,
    concurrency: int = CONCURRENCY,
) -> dict[str, Any]:
    """What the judge says of the answers of a comparison.

    Args:
        run: whose folder keeps what it says.
        told: evaluation.comparison.compared()'s.
        judge: who is asked.
        progress: is told how far it is.
        concurrency: pairs that are under way together.

    Returns:
        judge_pairs()'s, with "a" and "b" (the sides' names); "error" says why it was not asked, or not all.

    Raises:
        Interrupted: a signal came; what was judged by then is kept.
    """
    pairs = [_pair(row) for row in told["rows"] if row["kind"] in KINDS]
    chosen = [pairs[at] for at in spread(len(pairs), judge.question_limit)]
    path = run.path / JUDGED
    known = _known(path)
    keys = {pair["id"]: _key(judge, pair) for pair in chosen}
    wanted = [pair for pair in chosen if keys[pair["id"]] not in known]
    rows = {pair["id"]: known[keys[pair["id"]]] for pair in chosen if keys[pair["id"]] in known}
    error = ""

    def keep(done: int, total: int, row: Row) -> None:
        progress.now(f"the judge {judge.model}: {done} of {total} pairs")
        rows[row["id"]] = row
        if row["verdict"] != FAILED:
            line = json.dumps({"key": keys[row["id"]], "row": row}, ensure_ascii=False)
            append_durable(path, line.encode(), sync=False)

    if wanted:
        progress.say(f"putting {len(wanted)} pairs of answers to the judge {judge.model}")
        error = _ask(judge, wanted, run.project, concurrency, keep)
    found = folded(judge.model, len(pairs), [rows[pair["id"]] for pair in chosen if pair["id"] in rows])
    return {"a": told["a"], "b": told["b"], **found, "error": error or found["error"]}


def _ask(
    judge: Judge,
    pairs: Sequence[Pair],
    project: Path,
    concurrency: int,
    keep: Callable[[int, int, Row], None],
) -> str:
    """Have the pairs judged; "", or why they cannot be."""
    try:
        with signals.catch_signals(), judge_client(judge, project=project) as client:
            client.reach()
            words = judge.criteria or ""
            judge_pairs(client, pairs, limit=len(pairs), criteria=words, concurrency=concurrency, told=keep)
    except Interrupted:
        raise
    except ConchError as error:
        return error.problems[0].what
    return ""


def _pair(row: Mapping[str, Any]) -> dict[str, str]:
    """What judge_pairs takes; a conversation of several turns is shown whole."""
    before = row.get("messages") or ()
    turns = "\n\n".join(f"[{one['role']}] {one['content']}" for one in before)
    question = turns if len(before) > 1 else row["question"]
    return {"question": question} | {name: row[name] for name in ("id", "reference", "a", "b")}


def _key(judge: Judge, pair: Mapping[str, str]) -> str:
    shown = [judge.base_url, judge.model, judge.criteria or "", *(pair[name] for name in sorted(pair))]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


def _known(path: Path) -> dict[str, Row]:
    """Key → row of what was judged; a line that a crash tore is passed over."""
    known = {}
    for line in path.read_bytes().split(b"\n") if path.is_file() else ():
        try:
            told = json.loads(line)
            known[told["key"]] = dict(told["row"])
        except (ValueError, KeyError, TypeError):
            continue
    return known
