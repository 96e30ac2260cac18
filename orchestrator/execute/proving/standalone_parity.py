"""Parity without a recipe: a tokenizer, a training template, conversations; in a folder that is thrown away.

Both probes run side by side, as in a recipe's proof: LLaMA-Factory's own ids in the train environment, vLLM's
own in the serve environment. Every trained answer is compared for a history that is sent as it stands.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from orchestrator.backends import llamafactory
from orchestrator.datasets.dataset_info import dataset_info_text
from orchestrator.errors import ConchError, Problem, UsageError
from orchestrator.execute.data.prepare import GENERATED
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from orchestrator.execute.launchers.commands import ParallelCommand
from orchestrator.execute.models.tokenizer_folder import check_tokenizer
from orchestrator.execute.processes import process
from orchestrator.execute.processes.child_environment import PROBES
from orchestrator.execute.processes.diagnosis import read_ends
from orchestrator.execute.project.discovery import read_templates
from orchestrator.execute.project.template_sandbox import guard_template, read_template
from orchestrator.execute.proving.given_conversations import Given, read_conversations
from orchestrator.execute.proving.token_parity import IdsFile, answers_in_step, training_of
from orchestrator.plan.stage import Command, Runtime
from orchestrator.proofs.tokenizer import prove
from orchestrator.results import Proof, json_of
from orchestrator.templates.compare import ORDER
from orchestrator.templates.conversations import ConversationVerdict, judge_conversation
from orchestrator.templates.generated import generated_conversations
from orchestrator.templates.pairing import choose, digest_of
from orchestrator.templates.sides import Training
from orchestrator.templates.writer import ANY

HOME = registry.SOURCES.parent
GIVEN = "given"
MADE_UP, SEED = 500, 20260101
JINJA = "chat_template.jinja"
IDS = {"train": "training_ids.jsonl", "serve": "serving_ids.jsonl"}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be compared.

    Attributes:
        tokenizer: a model's folder, of which the tokenizer and config.json are read.
        template, thinking, history: LLaMA-Factory's template and the two settings that change tokens.
        chat_template: the jinja that is served; None for the one that Conch pairs with that training.
        conversations: a file of them; None for made-up ones.
        hardware: whose environments are asked; "auto" for this machine's.
    """

    tokenizer: Path
    template: str
    thinking: str = "on"
    history: str = "keep"
    chat_template: Path | None = None
    conversations: Path | None = None
    hardware: str = "auto"


def prove_bare(question: Question, say: Say) -> dict[str, Any]:
    """Compare, and say what was found.

    Returns:
        "holds", "counts", "verdicts", "tokenizer" (its proof) and more, JSON-able.

    Raises:
        UsageError: the tokenizer, a template or a conversation is wrong.
        MissingError: one of them, or an environment, is not there.
        StageFailed: a probe failed. Interrupted: a signal came.
    """
    check_tokenizer(question.tokenizer)
    jinja, name = _jinja(question)
    hardware = machine.hardware() if question.hardware == "auto" else question.hardware
    places = {side: registry.require(side, hardware) for side in IDS}
    _check_training_template(question.template, places["train"])
    given = _conversations(question)
    with process.catch_signals(), tempfile.TemporaryDirectory(prefix="conch-parity-") as scratch:
        folder = Path(scratch)
        _lay_out(folder, question, jinja, given)
        say(f"{len(given)} conversations, as LLaMA-Factory trains them and as vLLM serves them")
        try:
            _run_probes(folder, question, places, say)
            found = _judge(folder, question, given)
        except ConchError as error:
            error.problems = tuple(_kept(problem, folder, name) for problem in error.problems)
            raise
    return {**found, "chat_template": {"name": name, "sha256": digest_of(jinja)}}


def _jinja(question: Question) -> tuple[str, str]:
    """(the chat template that is served, what people know it by)."""
    if question.chat_template is not None:
        text, name = read_template(question.chat_template), str(question.chat_template)
        guard_template(text, name)
        return text, name
    chosen = choose(read_templates(HOME), question.template, question.thinking, question.history)
    return chosen.text, f"chat_templates/{chosen.name}.jinja"


def _check_training_template(template: str, train: Path) -> None:
    """Refuse a template that LLaMA-Factory does not have, before it is asked to train with it."""
    sources = list(train.glob("lib/python*/site-packages/llamafactory/data/template.py"))
    known = (
        set(re.findall(r'^    name="([^"]+)"', sources[0].read_text(encoding="utf-8"), re.MULTILINE))
        if sources
        else ()
    )
    if known and template not in known:
        import difflib

        near = ", ".join(difflib.get_close_matches(template, known, 3)) or "deepseekr1, qwen3, llama3"
        raise UsageError(
            Problem(f"LLaMA-Factory has no template {template}", "--template", f"such as: {near}")
        )


def _conversations(question: Question) -> list[Given]:
    if question.conversations is not None:
        return read_conversations(question.conversations)
    made = generated_conversations(SEED, MADE_UP, question.thinking != "off")
    return [
        Given(f"made up:{number}", one, [dict(m) for m in one]) for number, one in enumerate(made, start=1)
    ]


def _lay_out(folder: Path, question: Question, jinja: str, given: Sequence[Given]) -> None:
    """What the probes read, as a run folder has it."""
    name = _dataset(question)
    (folder / "data").mkdir()
    (folder / "inputs").mkdir()
    (folder / "inputs/base").symlink_to(question.tokenizer.resolve(), target_is_directory=True)
    (folder / JINJA).write_text(jinja, encoding="utf-8")
    settings = llamafactory.probe_yaml(name, question.template, question.thinking, question.history)
    (folder / "train.yaml").write_text(settings, encoding="utf-8")
    (folder / "data/dataset_info.json").write_text(dataset_info_text([name]), encoding="utf-8")
    with (
        (folder / f"data/{name}.jsonl").open("wb") as alone,
        (folder / "data/conversations.jsonl").open("wb") as sent,
    ):
        for row, one in enumerate(given):
            alone.write(orjson.dumps({"messages": one.trained}) + b"\n")
            sent.write(orjson.dumps({"dataset": name, "row": row, "messages": one.sent}) + b"\n")


def _dataset(question: Question) -> str:
    return GENERATED if question.conversations is None else GIVEN


def _run_probes(folder: Path, question: Question, places: Mapping[str, Path], say: Say) -> None:
    """Both at once; the first that fails ends the other."""
    training = ("train.yaml", "--datasets", _dataset(question))
    # A plain template adds no empty thoughts, whatever thinking says: clients send none back.
    thinking = question.thinking if Training(question.template).reasons else ANY
    serving = ("--model", "inputs/base", "--chat-template", JINJA, "--thinking", thinking)
    commands = {
        "train": _probe("train", "training_ids.py", *training),
        "serve": _probe("serve", "serving_ids.py", *serving, "--conversations", "data/conversations.jsonl"),
    }
    symbols = {
        **{side: str(place) for side, place in places.items()},
        "probes": str(PROBES),
        "conch": sys.prefix,
    }
    run_tag = process.new_run_tag(folder, folder)
    running: dict[str, ParallelCommand] = {}
    with process.guarded(run_tag):
        try:
            for side, command in commands.items():
                running[side] = ParallelCommand.start(
                    command,
                    symbols=symbols,
                    cwd=folder,
                    run_tag=run_tag,
                    log=folder / f"{side}.log",
                )
            _wait(dict(running), say)
        finally:
            for one in running.values():
                one.stop()


def _probe(side: str, script: str, *words: str) -> Command:
    argv = (f"{{{side}}}/bin/python", f"{{probes}}/{script}", *words, "--out", IDS[side])
    return Command(argv=argv, place=Runtime(side))


def _wait(running: dict[str, ParallelCommand], say: Say) -> None:
    while running:
        for side, one in list(running.items()):
            if one.launched.wait(process.TICK) is None:
                process.bound_log(one.log)
                continue
            one.finish()
            del running[side]
            say(f"{side} environment: done after {one.launched.seconds():.0f} s")


def _judge(folder: Path, question: Question, given: Sequence[Given]) -> dict[str, Any]:
    trained, served = (IdsFile.open(folder / name) for name in IDS.values())
    training, pieces = training_of(trained.header), (trained.pieces, served.pieces)
    found: dict[int, ConversationVerdict] = {}
    for row, answers in answers_in_step(trained, served):
        number = row["row"]
        if answers:
            place = {"conversation": number, "where": given[number].where}
            found[number] = judge_conversation(place, answers, training, pieces)
    dropped = [
        Problem(
            "LLaMA-Factory drops this conversation", one.where, "user and assistant take turns, user first"
        )
        for number, one in enumerate(given)
        if number not in found
    ]
    if dropped:
        raise UsageError(*dropped[:10])
    proof = prove(trained.header, served.header)
    return _summary(question, [found[number] for number in range(len(given))], proof) | {
        "versions": {"train": trained.header["versions"], "serve": served.header["versions"]},
        "tokenizers": {"train": trained.header["tokenizer"], "serve": served.header["tokenizer"]},
    }


def _summary(question: Question, found: Sequence[ConversationVerdict], proof: Proof) -> dict[str, Any]:
    counts = Counter(one.verdict.value for one in found)
    spelled: dict[str, Counter[str]] = {}
    for one in found:
        for name, counted in one.spellings.items():
            spelled.setdefault(name, Counter()).update(counted)
    unreachable = sum(one.unreachable for one in found)
    # Made-up rows that no template can reach are no fault of this one; a row that somebody wants to train is.
    mine = question.conversations is not None
    bad = [one for one in found if one.fails or (mine and one.unreachable)]
    return {
        "holds": proof.holds and not bad,
        "template": question.template,
        "thinking": question.thinking,
        "history": question.history,
        "counts": {kind.value: counts[kind.value] for kind in ORDER},
        "unreachable": unreachable,
        "covered": f"{sum(one.answers for one in found)} answers in {len(found)} conversations",
        "first_difference": dict(bad[0].told) if bad else None,
        "spellings": {name: dict(counted) for name, counted in sorted(spelled.items())},
        "tokenizer": json_of(proof),
        "verdicts": [dict(one.told) for one in found],
    }


def _kept(problem: Problem, folder: Path, name: str) -> Problem:
    """The problem, with a place that is still there when the scratch folder is gone."""
    where = problem.where
    if where.startswith(JINJA):
        return replace(problem, where=name + where.removeprefix(JINJA))
    path = Path(where)
    if not path.is_relative_to(folder) or path.suffix != ".log":
        return problem
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"conch-parity-{path.stem}-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(read_ends(path))
    return replace(problem, where=log.name)
