"""Asking a server the conversations that the checks of cases need; and the task `ask`.

A later turn is sent with the server's own earlier answers, content only, as an ordinary chat client does.
Several cases are in flight at a time, and their transcripts come in the order of the cases. In a batch, a
greedy answer may break a near tie another way than alone, so a streamed answer that differs is requested
both ways once more, alone, before it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.checks import prompts_of
from orchestrator.checks.base import Case, PromptPlan
from orchestrator.checks.repeats import RepeatsCheck, as_sampled, repeated, sampled_every
from orchestrator.checks.streamed import difference
from orchestrator.errors import ConchError, Problem
from orchestrator.execute.host.tell import tell
from orchestrator.execute.inference.api_key import ServiceAddress
from orchestrator.execute.inference.client import Client, Message
from orchestrator.execute.inference.dataset_cases import cases_in
from orchestrator.execute.inference.transcripts import line_of
from orchestrator.execute.models.model_folder import read_sampling
from orchestrator.execute.processes.worker_pool import in_order
from orchestrator.plan.stages.questions import AskSettings
from orchestrator.results import Transcript, Turn

CONCURRENCY = 4
# Asking again is for near ties. If the first answers differ again, streaming itself is broken.
HOPELESS = 2


def ask(settings: AskSettings, folder: Path) -> int:
    """Send every case to the service and write the answers as they arrive; an error leaves those so far."""
    repeats = RepeatsCheck(settings.repeats, seeded=settings.temperature > 0)
    cases, paraphrases = repeated(cases_in(settings.cases, folder), repeats), settings.paraphrases
    client = service_client(max_tokens=settings.max_tokens, temperature=settings.temperature)
    with client, (folder / settings.out).open("w", encoding="utf-8") as out:
        transcripts: list[Transcript] = []
        for answered, progress in ask_all(
            client, cases, settings.every, paraphrases, concurrency=settings.concurrency
        ):
            out.writelines(map(line_of, answered))
            out.flush()
            transcripts += answered
            tell(progress)
        settled = settle(client, cases, settings.every, transcripts)
        if settled != transcripts:
            out.seek(0)
            out.truncate()
            out.writelines(map(line_of, settled))
        for answered, progress in _ask_sampled(settings, folder):
            out.writelines(map(line_of, answered))
            tell(progress)
    return 0


def _ask_sampled(settings: AskSettings, folder: Path) -> Iterator[tuple[list[Transcript], str]]:
    """What a client that names no sampling value gets; nothing if the server is then greedy."""
    if not settings.export or not read_sampling(folder / settings.export).samples:
        return
    cases = as_sampled(cases_in(settings.cases, folder), settings.sampled_repeats)
    with service_client(max_tokens=settings.max_tokens, temperature=None) as client:
        yield from ask_sampled(client, cases, settings.every, concurrency=settings.concurrency)


def ask_sampled(
    client: Client, cases: Sequence[Case], every: Sequence[str], *, concurrency: int
) -> Iterator[tuple[list[Transcript], str]]:
    """(the transcripts of one case, a line of progress); `client` names no sampling value."""
    asked = ask_cases(client, cases, sampled_every(every), concurrency=concurrency)
    for number, answered in enumerate(asked, start=1):
        yield answered, f"asked sampled {number}/{len(cases)}"


def ask_all(
    client: Client,
    cases: Sequence[Case],
    every: Sequence[str],
    paraphrases: Sequence[Case],
    *,
    concurrency: int,
) -> Iterator[tuple[list[Transcript], str]]:
    """(the transcripts of one case, a line of progress): the cases, then the paraphrases without `every`."""
    total, number = len(cases) + len(paraphrases), 0
    for chosen, checks in ((cases, every), (paraphrases, ())):
        for answered in ask_cases(client, chosen, checks, concurrency=concurrency):
            number += 1
            yield answered, f"asked {number}/{total}"


def ask_cases(
    client: Client, cases: Sequence[Case], every: Sequence[str], *, concurrency: int = CONCURRENCY
) -> Iterator[list[Transcript]]:
    """The transcripts of each case, in order, several cases at a time.

    Raises StageFailed if the server died, TimedOut if its engine does not answer, after what was answered by
    then.
    """
    return in_order(
        lambda at: _ask_case(client, cases[at], every, at + 1), len(cases), concurrency=concurrency
    )


def settle(
    client: Client, cases: Sequence[Case], every: Sequence[str], transcripts: Sequence[Transcript]
) -> list[Transcript]:
    """The transcripts; those whose streamed answers differ are asked once more, alone."""
    settled = list(transcripts)
    prompts = {(case.id, prompt.purpose): prompt for case in cases for prompt in prompts_of(case, every)}
    hopeless = 0
    for position, transcript in enumerate(transcripts):
        prompt = prompts.get((transcript.case, transcript.purpose))
        if prompt is None or hopeless >= HOPELESS or not _differs(transcript):
            continue
        settled[position] = again = _converse(client, transcript.case, prompt)
        hopeless = hopeless + 1 if _differs(again) else 0
    return settled


def _differs(transcript: Transcript) -> bool:
    # With the same tokens both ways, the difference is the server's, and stays.
    turns = (one for one in transcript.turns if not one.token_ids or one.token_ids != one.streamed_token_ids)
    return any(turn.streamed and difference(turn) for turn in turns)


def _ask_case(client: Client, case: Case, every: Sequence[str], number: int) -> list[Transcript]:
    answered = []
    for prompt in prompts_of(case, every):
        transcript = _converse(client, case.id, prompt)
        answered.append(transcript)
        if transcript.turns[-1].error:
            try:
                client.still_there()
            except ConchError as error:
                what = f"at question {number} ({case.id}): {error.problems[0].what}"
                raise type(error)(Problem(what, hint=error.problems[0].hint)) from error
    return answered


def _converse(client: Client, case: str, prompt: PromptPlan) -> Transcript:
    messages: list[Message] = [{"role": "system", "content": prompt.system}] if prompt.system else []
    turns: list[Turn] = []
    results = list(prompt.results)
    questions = iter(prompt.turns)
    question: str | None = next(questions)
    while question is not None:
        messages.append({"role": "user", "content": question})
        turn = client.ask(messages, streamed=prompt.streamed, seed=prompt.seed, tools=prompt.tools)
        turns.append(turn)
        while turn.tool_calls and results:
            messages += _with_results(turn, results)
            turn = client.ask(messages, streamed=prompt.streamed, seed=prompt.seed, tools=prompt.tools)
            turns.append(turn)
        messages.append({"role": "assistant", "content": turn.content})
        question = None if turn.error else next(questions, None)
    return Transcript(case, prompt.purpose, tuple(turns))


def _with_results(turn: Turn, results: list[str]) -> list[Message]:
    """A turn that called tools, and what they return; a call for which no result is left returns nothing."""
    calls = [
        {"id": f"call_{at}", "type": "function", "function": dict(call)}
        for at, call in enumerate(turn.tool_calls)
    ]
    returned: list[Message] = [
        {"role": "tool", "tool_call_id": call["id"], "content": results.pop(0) if results else ""}
        for call in calls
    ]
    return [{"role": "assistant", "content": turn.content, "tool_calls": calls}, *returned]


def service_client(*, max_tokens: int, temperature: float | None, model: str = "") -> Client:
    """A client of this stage's service; `model` is another of its models. MissingError if there is none."""
    service = ServiceAddress.of_environment()
    return Client(
        service.url,
        model or service.model,
        key=service.key,
        max_tokens=max_tokens,
        temperature=temperature,
    )
