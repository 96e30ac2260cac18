"""Asking: every conversation that the cases' checks want, put to one server; and the task `ask`.

A later turn is sent with the server's own earlier answers, content only, as an ordinary chat client does.
Several cases are asked at a time, and their transcripts come in the order of the cases. Batched with others,
a greedy answer may break a near tie another way than alone, so a streamed answer that differs is asked both
ways once more, alone, before it counts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.checks import prompts_of
from orchestrator.checks.base import Case, PromptPlan
from orchestrator.checks.repeats import RepeatsCheck, repeated
from orchestrator.checks.streamed import difference
from orchestrator.errors import ConchError, Problem
from orchestrator.execute.inference.api_key import ServiceAddress
from orchestrator.execute.inference.client import Client, Message
from orchestrator.execute.inference.dataset_cases import cases_in
from orchestrator.execute.inference.transcripts import line_of
from orchestrator.execute.processes.worker_pool import in_order
from orchestrator.plan.stages.ask import AskSettings
from orchestrator.results import Transcript, Turn

CONCURRENCY = 4
# Re-asking alone is for near ties. Where the first ones differ again, streaming is what is wrong.
HOPELESS = 2


def ask(settings: AskSettings, folder: Path) -> int:
    """The task: put every case to the service and write answers.jsonl as they come.

    Raises:
        MissingError: no service was named.
        StageFailed: the server died; the answers that came are in the file.
        TimedOut: the server's engine answers no more.
    """
    repeats = RepeatsCheck(settings.repeats, seeded=settings.temperature > 0)
    cases, paraphrases = repeated(cases_in(settings.cases, folder), repeats), settings.paraphrases
    client = service_client(max_tokens=settings.max_tokens, temperature=settings.temperature)
    with client, (folder / settings.out).open("w", encoding="utf-8") as out:
        transcripts: list[Transcript] = []
        asked = 0
        total = len(cases) + len(paraphrases)
        for chosen, checks in ((cases, settings.every), (paraphrases, ())):
            for answered in ask_cases(client, chosen, checks, concurrency=settings.concurrency):
                out.writelines(map(line_of, answered))
                out.flush()
                transcripts += answered
                asked += 1
                sys.stderr.write(f"asked {asked}/{total}\n")
        settled = settle(client, cases, settings.every, transcripts)
        if settled != transcripts:
            out.seek(0)
            out.truncate()
            out.writelines(map(line_of, settled))
    return 0


def ask_cases(
    client: Client, cases: Sequence[Case], every: Sequence[str], *, concurrency: int = CONCURRENCY
) -> Iterator[list[Transcript]]:
    """The transcripts of each case, in order, several cases being asked at a time.

    Raises:
        StageFailed: the server died; TimedOut: its engine answers no more. What was answered by then, of
            any case, was yielded before.
    """
    return in_order(
        lambda at: _ask_case(client, cases[at], every, at + 1), len(cases), concurrency=concurrency
    )


def settle(
    client: Client, cases: Sequence[Case], every: Sequence[str], transcripts: Sequence[Transcript]
) -> list[Transcript]:
    """The transcripts, those whose streamed answers differ asked once more with nothing else under way."""
    settled = list(transcripts)
    wanted = {(case.id, asked.purpose): asked for case in cases for asked in prompts_of(case, every)}
    hopeless = 0
    for position, transcript in enumerate(transcripts):
        asked = wanted.get((transcript.case, transcript.purpose))
        if asked is None or hopeless >= HOPELESS or not _differs(transcript):
            continue
        settled[position] = again = _converse(client, transcript.case, asked)
        hopeless = hopeless + 1 if _differs(again) else 0
    return settled


def _differs(transcript: Transcript) -> bool:
    return any(turn.streamed and difference(turn) and not _same_tokens(turn) for turn in transcript.turns)


def _same_tokens(turn: Turn) -> bool:
    """The model said the same both ways; what differs is the server's doing, and stays."""
    return bool(turn.token_ids) and turn.token_ids == turn.streamed_token_ids


def _ask_case(client: Client, case: Case, every: Sequence[str], number: int) -> list[Transcript]:
    answered = []
    for asked in prompts_of(case, every):
        transcript = _converse(client, case.id, asked)
        answered.append(transcript)
        if transcript.turns[-1].error:
            try:
                client.still_there()
            except ConchError as error:
                what = f"at question {number} ({case.id}): {error.problems[0].what}"
                raise type(error)(Problem(what, hint=error.problems[0].hint)) from error
    return answered


def _converse(client: Client, case: str, asked: PromptPlan) -> Transcript:
    messages: list[Message] = [{"role": "system", "content": asked.system}] if asked.system else []
    turns: list[Turn] = []
    for question in asked.turns:
        messages.append({"role": "user", "content": question})
        turn = client.ask(messages, streamed=asked.streamed, seed=asked.seed, tools=asked.tools)
        turns.append(turn)
        if turn.error:
            break
        messages.append({"role": "assistant", "content": turn.content})
    return Transcript(case, asked.purpose, tuple(turns))


def service_client(*, max_tokens: int, temperature: float, model: str = "") -> Client:
    """A client of the service of this stage; `model` names another of its models than the main one.

    Raises:
        MissingError: there is no service.
    """
    service = ServiceAddress.of_environment()
    return Client(
        service.url,
        model or service.model,
        key=service.key,
        max_tokens=max_tokens,
        temperature=temperature,
    )
