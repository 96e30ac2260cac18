"""Parity without a recipe: a tokenizer, a training template and conversations, in a temporary folder.

Both probes run at the same time, as in a recipe's proof: LLaMA-Factory's ids in the train environment, vLLM's
in the serve environment. Every trained answer is compared, its history sent unchanged.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import orjson

from orchestrator.backends import llamafactory
from orchestrator.datasets.targets import dataset_info_text, sharegpt_line, with_tools_key
from orchestrator.errors import ConchError, Problem, UsageError
from orchestrator.execute.data.prepare import GENERATED
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine, signals
from orchestrator.execute.launchers.commands import ParallelCommand
from orchestrator.execute.models.tokenizer_folder import check_tokenizer
from orchestrator.execute.processes import process, process_tree, watchdog
from orchestrator.execute.processes.child_environment import PROBES
from orchestrator.execute.processes.diagnosis import read_ends
from orchestrator.execute.project.discovery import read_templates
from orchestrator.execute.project.template_sandbox import guard_template, read_template
from orchestrator.execute.proving.given_conversations import Given, read_conversations
from orchestrator.execute.proving.probe_files import answers_in_step, open_served, open_trained, training_of
from orchestrator.plan.stage import Command, Runtime
from orchestrator.proofs.tokenizer import prove
from orchestrator.results import Proof, json_of
from orchestrator.templates.compare import ORDER, ConversationVerdict, judge_conversation
from orchestrator.templates.generated import generated_conversations
from orchestrator.templates.generated_tools import conversations_with_tools
from orchestrator.templates.pairing import choose, digest_of
from orchestrator.templates.prompt_diff import Training
from orchestrator.templates.writer import ANY

HOME = registry.SOURCES.parent
GIVEN = "given"
MADE_UP, MADE_UP_WITH_TOOLS, SEED = 500, 300, 20260101
JINJA = "chat_template.jinja"
IDS = {"train": "training_ids.jsonl", "serve": "serving_ids.jsonl"}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What to compare.

    Attributes:
        tokenizer: a model's folder; its tokenizer and config.json are read.
        chat_template: the jinja to serve; None for the one that Conch pairs with the training.
        conversations: a file; None for generated ones.
        hardware: selects the environments; "auto" for this machine's.
    """

    tokenizer: Path
    template: str
    thinking: str = "on"
    history: str = "keep"
    chat_template: Path | None = None
    conversations: Path | None = None
    hardware: str = "auto"


class Served(TypedDict):
    """The chat template that was compared."""

    name: str
    sha256: str


class Summary(TypedDict):
    """The verdicts, JSON-able: `tokenizer` is the proof of that name, `verdicts` the worst answers."""

    holds: bool
    template: str
    thinking: str
    history: str
    counts: dict[str, int]
    unreachable: int
    covered: str
    first_difference: dict[str, object] | None
    spellings: dict[str, dict[str, int]]
    tokenizer: dict[str, object]
    verdicts: list[dict[str, object]]


class Compared(Summary):
    """The result with the versions that were compared."""

    versions: dict[str, Mapping[str, str]]
    tokenizers: dict[str, str]
    chat_template: Served


def compare_standalone(question: Question, say: Say) -> Compared:
    """Run both probes, and compare."""
    check_tokenizer(question.tokenizer)
    jinja, name = _jinja(question)
    hardware = machine.hardware() if question.hardware == "auto" else question.hardware
    locations = {side: registry.require(side, hardware) for side in IDS}
    _check_training_template(question.template, locations["train"])
    given = _conversations(question)
    with signals.catch_signals(), tempfile.TemporaryDirectory(prefix="conch-parity-") as scratch:
        folder = Path(scratch)
        _lay_out(folder, question, jinja, given)
        say(f"{len(given)} conversations, as LLaMA-Factory trains them and as vLLM serves them")
        try:
            _run_probes(folder, question, locations, say)
            found = _judge(folder, question, given, {"name": name, "sha256": digest_of(jinja)})
        except ConchError as error:
            error.problems = tuple(_with_location(problem, folder, name) for problem in error.problems)
            raise
    return found


def _jinja(question: Question) -> tuple[str, str]:
    """(the chat template to serve, its name for display)."""
    if question.chat_template is not None:
        text, name = read_template(question.chat_template), str(question.chat_template)
        guard_template(text, name)
        return text, name
    chosen = choose(read_templates(HOME), question.template, question.thinking, question.history)
    return chosen.text, f"chat_templates/{chosen.name}.jinja"


def _check_training_template(template: str, train: Path) -> None:
    """Reject a template that LLaMA-Factory does not have, before its probe starts."""
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
    made += conversations_with_tools(SEED, MADE_UP_WITH_TOOLS, question.thinking != "off")
    return [
        Given(f"generated:{number}", one, [dict(m) for m in one]) for number, one in enumerate(made, start=1)
    ]


def _lay_out(folder: Path, question: Question, jinja: str, given: Sequence[Given]) -> None:
    """Write what the probes read, as in a run folder."""
    name = _dataset(question)
    (folder / "data").mkdir()
    (folder / "inputs").mkdir()
    (folder / "inputs/base").symlink_to(question.tokenizer.resolve(), target_is_directory=True)
    (folder / JINJA).write_text(jinja, encoding="utf-8")
    settings = llamafactory.probe_yaml(name, question.template, question.thinking, question.history)
    (folder / "train.yaml").write_text(settings, encoding="utf-8")
    (folder / "data/dataset_info.json").write_text(dataset_info_text([name], tools=True), encoding="utf-8")
    with (
        (folder / f"data/{name}.jsonl").open("wb") as alone,
        (folder / "data/conversations.jsonl").open("wb") as sent,
    ):
        for row, one in enumerate(given):
            alone.write(with_tools_key(sharegpt_line(one.trained)))
            sent.write(orjson.dumps({"dataset": name, "row": row, "messages": one.sent}) + b"\n")


def _dataset(question: Question) -> str:
    return GENERATED if question.conversations is None else GIVEN


def _run_probes(folder: Path, question: Question, locations: Mapping[str, Path], say: Say) -> None:
    """Run both at once; if one fails, stop the other."""
    training = ("train.yaml", "--datasets", _dataset(question))
    # A plain template adds no empty thoughts in any mode, so clients send none back.
    thinking = question.thinking if Training(question.template).reasons else ANY
    serving = ("--model", "inputs/base", "--chat-template", JINJA, "--thinking", thinking)
    commands = {
        "train": _probe("train", "training_ids.py", *training),
        "serve": _probe("serve", "serving_ids.py", *serving, "--conversations", "data/conversations.jsonl"),
    }
    symbols = {
        **{side: str(location) for side, location in locations.items()},
        "probes": str(PROBES),
        "conch": sys.prefix,
    }
    run_tag = process_tree.new_run_tag(folder, folder)
    running: dict[str, ParallelCommand] = {}
    with watchdog.guarded(run_tag):
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
    return Command(argv=argv, runtime=Runtime(side))


def _wait(running: dict[str, ParallelCommand], say: Say) -> None:
    while running:
        for side, one in list(running.items()):
            if one.launched.wait(process.TICK) is None:
                process.bound_log(one.log)
                continue
            one.finish()
            del running[side]
            say(f"{side} environment: done after {one.launched.seconds():.0f} s")


def _judge(folder: Path, question: Question, given: Sequence[Given], template: Served) -> Compared:
    trained, served = open_trained(folder / IDS["train"]), open_served(folder / IDS["serve"])
    training, pieces = training_of(trained.header), (trained.pieces, served.pieces)
    found: dict[int, ConversationVerdict] = {}
    for row, answers in answers_in_step(trained, served):
        if answers:
            found[row["row"]] = judge_conversation(answers, training, pieces)
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
    headers = {"train": trained.header, "serve": served.header}
    return {
        **_summary(question, given, [found[number] for number in range(len(given))], proof),
        "versions": {side: header["versions"] for side, header in headers.items()},
        "tokenizers": {side: header["tokenizer"] for side, header in headers.items()},
        "chat_template": template,
    }


def _summary(
    question: Question, given: Sequence[Given], found: Sequence[ConversationVerdict], proof: Proof
) -> Summary:
    counts = Counter(one.verdict.value for one in found)
    spelled: dict[str, Counter[str]] = {}
    for one in found:
        for name, counted in one.spellings.items():
            spelled.setdefault(name, Counter()).update(counted)
    unreachable = sum(one.unreachable for one in found)
    # Generated rows that no template can reach are not this template's fault; the user's own rows count.
    own = question.conversations is not None
    bad = [at for at, one in enumerate(found) if one.fails or (own and one.unreachable)]
    verdicts: list[dict[str, object]] = [
        {"conversation": at, "where": given[at].where, **json_of(one.worst)} for at, one in enumerate(found)
    ]
    return {
        "holds": proof.holds and not bad,
        "template": question.template,
        "thinking": question.thinking,
        "history": question.history,
        "counts": {kind.value: counts[kind.value] for kind in ORDER},
        "unreachable": unreachable,
        "covered": f"{sum(one.answers for one in found)} answers in {len(found)} conversations",
        "first_difference": verdicts[bad[0]] if bad else None,
        "spellings": {name: dict(counted) for name, counted in sorted(spelled.items())},
        "tokenizer": json_of(proof),
        "verdicts": verdicts,
    }


def _with_location(problem: Problem, folder: Path, name: str) -> Problem:
    """The problem, with a location that remains when the temporary folder is deleted."""
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
