"""The task `evaluate`: asks the running server a split's questions and scores the answers.

Writes predictions.jsonl, one sample per line as it is answered (`prompt`, `predict` and `label` are
LLaMA-Factory's names), and eval.json (evaluation/numbers.py). If the server is vLLM, it also scores the
references (prompt_logprobs): the tokens of the conversation with the answer after those of the question, the
end token included.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.evaluation.numbers import Loss, Numbers, PredictionRow, numbers, scored
from orchestrator.evaluation.samples import ConversationRow, Prediction, chosen, spread
from orchestrator.execute.host.atomic_files import read_json, write_durable
from orchestrator.execute.host.jsonl import lines_of
from orchestrator.execute.host.tell import tell
from orchestrator.execute.inference.api_key import read_key
from orchestrator.execute.inference.ask import service_client
from orchestrator.execute.inference.client import Client
from orchestrator.execute.inference.token_server import TokenServer
from orchestrator.execute.processes.worker_pool import in_order
from orchestrator.plan.stages.questions import EvaluateSettings

PREDICTIONS = "predictions.jsonl"
NUMBERS = "eval.json"


def evaluate(settings: EvaluateSettings, folder: Path) -> int:
    """Ask, score, and write both files.

    Raises:
        MissingError: there is no server, or the split has no sample.
        StageFailed: the server died; its answers so far are in predictions.jsonl. TimedOut: it hangs.
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
        rows: list[PredictionRow] = []
        answers = in_order(lambda at: _ask(client, samples[at]), len(samples), concurrency=concurrency)
        for number, row in enumerate(answers, 1):
            rows.append(scored(row))
            file.write(_line(rows[-1]))
            file.flush()
            tell(f"asked {number}/{len(samples)}")
        base_url, model = client.base_url, client.model
    losses, missing = _reference_losses(base_url, model, settings, samples)
    rows = [{**row, **loss} for row, loss in zip(rows, losses, strict=True)]
    write_durable(out / PREDICTIONS, "".join(map(_line, rows)))
    found = numbers(rows, system=settings.system, split=settings.split, missing=missing)
    write_durable(out / NUMBERS, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    return 0


def read_samples(path: Path, datasets: Sequence[str], limit: int) -> list[Prediction]:
    """At most `limit` samples of the named datasets, evenly spread, in constant memory.

    Raises:
        MissingError: there is no such file. StageFailed: a line of it is broken.
    """
    names = frozenset(datasets)
    count = sum(1 for _ in _samples(path, names))
    indices = frozenset(spread(count, limit))
    last = max(indices, default=-1) + 1
    return [sample for at, sample in enumerate(islice(_samples(path, names), last)) if at in indices]


def _samples(path: Path, names: frozenset[str]) -> Iterable[Prediction]:
    rows = cast("Iterable[ConversationRow]", lines_of(path))
    return (sample for sample in chosen(rows, names) if sample is not None)


def read_predictions(folder: Path) -> list[PredictionRow]:
    """The predictions of a folder of evaluate().

    Raises:
        MissingError: there are none. StageFailed: a line is broken.
    """
    return list(cast("Iterable[PredictionRow]", lines_of(folder / PREDICTIONS)))


def read_numbers(folder: Path) -> Numbers | None:
    """The eval.json of a folder of evaluate(), or None."""
    return cast("Numbers | None", read_json(folder / NUMBERS))


def _ask(client: Client, sample: Prediction) -> PredictionRow:
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
) -> tuple[Sequence[Loss], str]:
    """(the loss of each reference, why there are none); not every server can score."""
    if settings.unscored:
        return [{}] * len(samples), settings.unscored
    try:
        with TokenServer(base_url, model, read_key()) as server:
            scores = in_order(
                lambda at: reference_loss(server, samples[at], settings.thinking),
                len(samples),
                concurrency=settings.concurrency,
            )
            return list(_counted(scores, len(samples))), ""
    except (MissingError, StageFailed) as error:
        return [{}] * len(samples), error.problems[0].what


def _counted(scores: Iterable[Loss], total: int) -> Iterable[Loss]:
    for number, score in enumerate(scores, 1):
        tell(f"scored reference {number}/{total}")
        yield score


def reference_loss(server: TokenServer, sample: Prediction, thinking: bool | None) -> Loss:  # noqa: FBT001
    """The loss of a reference.

    Empty if the server's rendering of the answer does not continue that of its question, or is too long.
    """
    # Mixed thinking: an answer without a thought was trained after an empty one.
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


def _line(row: Mapping[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
