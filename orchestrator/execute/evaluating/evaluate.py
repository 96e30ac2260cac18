"""The task `evaluate`: a split's questions put to the running server, and its answers scored.

Written under out: predictions.jsonl, one sample a line as it is answered (`prompt`, `predict` and `label` are
LLaMA-Factory's names), and eval.json (evaluation/numbers.py). The references are scored by the server itself
where it is a vLLM (prompt_logprobs): what it makes of the conversation with the answer, behind what it makes
of the question. The end mark counts as a token.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.evaluation.numbers import numbers, scored
from orchestrator.evaluation.samples import Prediction, chosen, spread
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.jsonl import lines_of
from orchestrator.execute.inference.api_key import read_key
from orchestrator.execute.inference.ask import service_client
from orchestrator.execute.inference.client import Client
from orchestrator.execute.inference.logprobs import Scoring
from orchestrator.execute.processes.worker_pool import in_order
from orchestrator.plan.stages.evaluate import EvaluateSettings

PREDICTIONS = "predictions.jsonl"
NUMBERS = "eval.json"

Row = dict[str, Any]


def evaluate(settings: EvaluateSettings, folder: Path) -> int:
    """Ask, score, and write both files.

    Raises:
        MissingError: no service was named, or the split holds no sample.
        StageFailed: the server died; what was answered is in predictions.jsonl. TimedOut: it answers no more.
    """
    samples = read_samples(folder / settings.data, settings.datasets, settings.limit)
    if not samples:
        what = f"no row of the split {settings.split} ends in an answer to a user"
        raise MissingError(Problem(what, settings.data, "choose another split with --split"))
    out = folder / settings.out
    out.mkdir(parents=True, exist_ok=True)
    concurrency = settings.concurrency
    client = service_client(
        max_tokens=settings.max_tokens, temperature=settings.temperature, model=settings.model
    )
    with client, (out / PREDICTIONS).open("w", encoding="utf-8") as file:
        rows = []
        answers = in_order(lambda at: _asked(client, samples[at]), len(samples), concurrency=concurrency)
        for number, row in enumerate(answers, 1):
            rows.append(scored(row))
            file.write(_line(rows[-1]))
            file.flush()
            sys.stderr.write(f"asked {number}/{len(samples)}\n")
        base_url, model = client.base_url, client.model
    losses, missing = _reference_losses(base_url, model, settings, samples)
    rows = [row | loss for row, loss in zip(rows, losses, strict=True)]
    write_durable(out / PREDICTIONS, "".join(map(_line, rows)))
    told = numbers(rows, system=settings.system, split=settings.split, missing=missing)
    write_durable(out / NUMBERS, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    return 0


def read_samples(path: Path, datasets: Sequence[str], limit: int) -> list[Prediction]:
    """At most `limit` samples of the named data sets, evenly spread; memory does not grow with the rows.

    Raises:
        MissingError: there is no such file. StageFailed: a line of it is broken.
    """
    names = frozenset(datasets)
    count = sum(sample is not None for sample in chosen(lines_of(path), names))
    wanted = frozenset(spread(count, limit))
    found = (sample for sample in chosen(lines_of(path), names) if sample is not None)
    last = max(wanted, default=-1) + 1
    return [sample for at, sample in enumerate(islice(found, last)) if at in wanted]


def _asked(client: Client, sample: Prediction) -> Row:
    turn = client.ask(sample.messages)
    if turn.error:
        client.still_there()
    return {
        "row": sample.row,
        "dataset": sample.dataset,
        "messages": list(sample.messages),
        "prompt": sample.question,
        "predict": turn.content.lstrip("\n"),
        "label": sample.label,
        "thinking": turn.reasoning.strip(),
        "label_thinking": sample.label_thinking,
        "finish_reason": turn.finish_reason,
        "tokens": len(turn.token_ids),
        "seconds": round(turn.seconds, 4),
        "error": turn.error,
    }


def _reference_losses(
    base_url: str, model: str, settings: EvaluateSettings, samples: Sequence[Prediction]
) -> tuple[Sequence[Row], str]:
    """({"nll", "label_tokens"} of each reference, why there are none); a server need not be able to."""
    if settings.unscored:
        return [{}] * len(samples), settings.unscored
    try:
        with Scoring(base_url, model, read_key()) as server:
            scores = in_order(
                lambda at: reference_loss(server, samples[at], settings.thinking),
                len(samples),
                concurrency=settings.concurrency,
            )
            return list(_counted(scores, len(samples))), ""
    except (MissingError, StageFailed) as error:
        return [{}] * len(samples), error.problems[0].what


def _counted(scores: Iterable[Row], total: int) -> Iterable[Row]:
    for number, score in enumerate(scores, 1):
        sys.stderr.write(f"scored reference {number}/{total}\n")
        yield score


def reference_loss(server: Scoring, sample: Prediction, thinking: bool | None) -> Row:  # noqa: FBT001
    """{"nll": the sum of −log p over the reference's tokens, "label_tokens": their number}.

    Empty where the server's rendering of the answer does not continue that of its question, or is too long.
    """
    # Mixed thinking: an answer without a thought was trained behind an empty one.
    bare = thinking is None and not sample.label_thinking
    kwargs = {"enable_thinking": False} if bare else None
    answer = {"role": "assistant", "content": sample.reference}
    try:
        prompt = server.prompt(sample.messages, kwargs)
        whole = server.prompt([*sample.messages, answer], kwargs, generation=False)
        if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
            return {}
        scores = server.logprobs(whole, len(prompt))
    except ValueError:
        return {}
    return {"nll": round(-sum(scores), 6), "label_tokens": len(scores)}


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
