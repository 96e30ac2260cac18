"""`conch why`: asks the run's model at every stage between training and a client's question.

One process of the train environment asks base, base+adapter and merged (probes/answer_ids.py); the server is
asked by ids and by messages. Answers of the run's own stages are reused if the files are unchanged; new ones
are written to why/ in the run folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from orchestrator.backends.engines import CONFIG
from orchestrator.checks import judge_all, prompts_of
from orchestrator.checks.base import WITH_HISTORY, Case, answer_of, last_turn
from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host import atomic_files
from orchestrator.execute.host.jsonl import lines_of
from orchestrator.execute.inference.ask import ask
from orchestrator.execute.inference.completions import AnswerServedSettings
from orchestrator.execute.inference.transcripts import read_answers
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.certify import changed_files, read_certificate
from orchestrator.execute.run_store.fingerprint import fingerprint
from orchestrator.execute.run_store.load_report import read_proofs
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import (
    Server,
    against_server,
    answering_plan,
    finished_run,
    reopened,
)
from orchestrator.execute.runner.rendered import as_found
from orchestrator.execute.runner.task import typed
from orchestrator.plan.stage import Command, Plan, RenderedFile, Runtime, Stage, partial
from orchestrator.plan.stages.base import ANSWERS, CONVERSATIONS, task
from orchestrator.plan.stages.questions import AskSettings
from orchestrator.proofs import why as fold
from orchestrator.results import Status, Transcript, Turn

TRAINED = "why/answers"
IDS = "why/served_ids.jsonl"
CHAT = "why/served_chat.jsonl"
MOST = 8
LONGEST = 256
LOOKED_AT = 1000
HERE = "asked by conch why"
# Parsers that return no answer if no thought is closed.
STRICT = ("deepseek_r1", "qwen3")


class AnswerTurn(TypedDict):
    """One question and its answer, in text and ids."""

    question: str
    text: str
    ids: list[int]
    finish: str
    error: NotRequired[str]


class AnswerRow(TypedDict):
    """A line of probes/answer_ids.py or of the task answer_served.

    parted: where the server's prompt differs from the training prompt, a sentence.
    """

    case: str
    purpose: str
    turns: list[AnswerTurn]
    parted: NotRequired[str]


def transcript_of(row: AnswerRow, parser: str) -> Transcript:
    """The row as a transcript; parser: the server's, "" for none."""
    turns = []
    for turn in row["turns"]:
        reasoning, content = split_thought(turn["text"], parser)
        turns.append(
            Turn(
                messages=({"role": "user", "content": turn["question"]},),
                content=content,
                reasoning=reasoning,
                finish_reason=turn["finish"],
                token_ids=tuple(turn["ids"]),
                error=turn.get("error", ""),
            )
        )
    return Transcript(row["case"], row["purpose"], tuple(turns))


def split_thought(text: str, parser: str) -> tuple[str, str]:
    """(thought, answer), as the server's reasoning parser splits them.

    >>> split_thought("<think>嗯</think>好", "deepseek_r1"), split_thought("好", "deepseek_r1")
    (('嗯', '好'), ('好', ''))
    >>> split_thought("好", "")
    ('', '好')
    """
    if not parser or ("</think>" not in text and parser not in STRICT):
        return "", text
    thought, _, answer = text.partition("</think>")
    return thought.removeprefix("<think>"), answer


def judged_answers(
    name: str, cases: Sequence[Case], transcripts: Sequence[Transcript], source: str
) -> fold.StageAnswers:
    """The answers of a stage, judged: a case passes if it was answered and all its checks passed."""
    verdicts = judge_all(cases, (), transcripts)
    passed, answers = {}, {}
    for case in cases:
        own = [verdict.passed for verdict in verdicts if verdict.case == case.id]
        passed[case.id] = bool(own) and all(own)
        turn = last_turn([one for one in transcripts if one.case == case.id])
        answers[case.id] = answer_of(turn) or (f"[{turn.error}]" if turn and turn.error else "")
    return fold.StageAnswers(name, passed, answers, source)


@dataclass(frozen=True, slots=True)
class Questions:
    """The recipe's questions without checks that need streaming, and how to ask them.

    Attributes:
        parser: the server's reasoning parser, "" for none.
        same: whether the run's own stages ask the same way: as long, and greedily.
    """

    cases: tuple[Case, ...]
    max_tokens: int
    parser: str
    same: bool


@dataclass(frozen=True, slots=True)
class Why:
    """The run, the questions, the answers of each stage, and the first loss."""

    run: Run
    cases: tuple[Case, ...]
    stages: tuple[fold.StageAnswers, ...]
    finding: fold.Explanation


def why(recipe: str, *, project: Path, progress: Progress, server: Server | None = None) -> Why:
    """Ask every stage of a run (RECIPE or RECIPE/ID), and find the first loss.

    Asks `server` if given; otherwise starts one if needed.
    """
    run = finished_run(project, recipe)
    plan = answering_plan(run)
    questions = choose_questions(plan, run)
    saying = f"asking {len(questions.cases)} questions at every stage of run {run.name}"
    with reopened(run, plan, progress, saying) as perform:
        _complete(run, plan)
        found = as_found(run.path, plan)
        perform([_trained_stage(run, found, questions)])
        stages = _trained(run, questions, progress)
        chat = None if server else _own_answers(run, plan, questions)
        if chat is not None:
            progress.say(f"the answers in {ANSWERS} are from this export: not asked again")
            stages.append(judged_answers(fold.SERVED_CHAT, questions.cases, chat, f"{ANSWERS} of the run"))
        lost_at = first(run, stages).lost_at
        if chat is None and server is None and lost_at:
            progress.say("skipping the server: the effect is lost before it")
        elif chat is None or lost_at == fold.SERVED:
            perform([_served_stage(found, questions, server)], again=server is not None)
            stages = [*stages[:3], *_served(run, questions)]
    parted = _parted(run) if any(stage.name == fold.SERVED_IDS for stage in stages) else {}
    return Why(run, questions.cases, tuple(stages), first(run, stages, parted))


def first(
    run: Run, stages: Sequence[fold.StageAnswers], parted: Mapping[str, str] | None = None
) -> fold.Explanation:
    """The first loss, from the answers and the run's proofs."""
    try:
        certificate = read_certificate(run.path, recipe=run.recipe)
        problems = changed_files(certificate, run.path, hint="")
        changed = tuple(f"{problem.where}  {problem.what}" for problem in problems)
    except MissingError:
        changed = ()
    proofs = tuple(read_proofs(run.path))
    return fold.first_loss(stages, proofs, recipe=run.recipe, changed=changed, parted=parted)


def choose_questions(plan: Plan, run: Run) -> Questions:
    """The recipe's questions, as in the run's plan; at most MOST, evenly spread."""
    try:
        stage = plan.stage("ask")
        texts = {file.path: file.text for file in stage.files}
        settings = typed(ask, json.loads(texts["tasks/ask.json"]))
    except (KeyError, ValueError, StageFailed):
        what = "cannot read the questions of the run's plan: another version of Conch may have written it"
        raise MissingError(Problem(what, str(run.path / "plan.json"), f"conch sft {run.recipe}")) from None
    cases = [case for case in settings.cases if isinstance(case, Case) and not case.tools]
    whole = [replace(case, expect=_unstreamed(case.expect)) for case in cases]
    judged = [case for case in whole if case.expect]
    if not judged:
        what, hint = (
            "no question of this recipe has an expectation",
            "add expect: {contains: …} to verify.checks",
        )
        raise MissingError(Problem(what, run.recipe, hint))
    step = max(1.0, len(judged) / MOST)
    chosen = tuple(judged[int(number * step)] for number in range(min(MOST, len(judged))))
    same = settings.max_tokens <= LONGEST and settings.temperature == 0
    return Questions(
        chosen,
        min(settings.max_tokens, LONGEST),
        stage.service.reasoning_parser if stage.service else "",
        same,
    )


def _unstreamed(expect: Mapping[str, object]) -> dict[str, object]:
    return {name: argument for name, argument in expect.items() if name != "streamed"}


def _complete(run: Run, plan: Plan) -> None:
    """Write the server's files if `conch sft` did not; existing ones are used as they are."""
    for file in plan.stage("ask").rendered:
        if not (run.path / file.path).exists():
            atomic_files.write_durable(run.path / file.path, file.text)


def _trained_stage(run: Run, plan: Plan, questions: Questions) -> Stage:
    listed = [
        {"case": case.id, "purpose": one.purpose, "system": one.system, "turns": list(one.turns)}
        for case in questions.cases
        for one in prompts_of(case)
    ]
    options = {"questions": listed, "max_tokens": questions.max_tokens, "bare": _bare(run)}
    file = RenderedFile("tasks/why.json", json.dumps(options, ensure_ascii=False, indent=1) + "\n")
    probe = plan.stage("prove_export").commands[0].argv
    words = ("train.yaml", "--adapter", probe[probe.index("--adapter") + 1], "--export", "export")
    more = ("--questions", file.path, "--out", partial(TRAINED))
    return Stage(
        name="why-trained",
        commands=(Command(("{train}/bin/python", "{probes}/answer_ids.py", *words, *more), Runtime.TRAIN),),
        inputs=("inputs", "adapter", "export", "train.yaml"),
        files=(file, *(one for one in plan.stage("train").files if one.path == "train.yaml")),
        outputs=(TRAINED,),
    )


def _bare(run: Run) -> bool:
    """Whether the run's own answers have no thought: mixed thinking trained them after an empty one."""
    path = run.path / CONVERSATIONS
    rows = (row for _, row in zip(range(LOOKED_AT), lines_of(path), strict=False))
    mine = (row for row in rows if not row["dataset"].startswith("conch_"))
    answers = (one["content"] for row in mine for one in row["messages"] if one["role"] == "assistant")
    return not any("<think>" in answer for answer in answers)


def _trained(run: Run, questions: Questions, progress: Progress) -> list[fold.StageAnswers]:
    names = {fold.BASE: "base", fold.ADAPTER: "adapter", fold.MERGED: "merged"}
    stages = []
    for name, file in names.items():
        transcripts = [
            transcript_of(row, questions.parser) for row in _rows(run.path / TRAINED / f"{file}.jsonl")
        ]
        stages.append(judged_answers(name, questions.cases, transcripts, HERE))
        progress.say(f"  {name}: {stages[-1].good} of {len(questions.cases)} correct")
    return stages


def _served_stage(plan: Plan, questions: Questions, server: Server | None) -> Stage:
    """Both served stages, with one server."""
    service = plan.stage("ask").service
    chat = AskSettings(
        cases=questions.cases, max_tokens=questions.max_tokens, temperature=0, out=partial(CHAT)
    )
    ids = AnswerServedSettings(
        merged=f"{TRAINED}/merged.jsonl",
        systems={case.id: case.system for case in questions.cases},
        max_tokens=questions.max_tokens,
        out=partial(IDS),
    )
    made = [task("answer_served", ids), task("ask-why", chat)]
    commands = [command for _, command in made]
    if server is not None:
        commands = [*against_server(commands, server, service.model if service else "")]
    own = replace(service, name="why-server", warm=None, warm_during="") if service else None
    return Stage(
        name="why-served",
        commands=tuple(commands),
        inputs=("export", "chat_template.jinja", CONFIG, TRAINED),
        files=(*(file for file, _ in made), *plan.stage("ask").rendered),
        outputs=(IDS, CHAT),
        service=None if server else own,
    )


def _own_answers(run: Run, plan: Plan, questions: Questions) -> list[Transcript] | None:
    """The answers of the run's own stage, if it asked the same way and its files are unchanged."""
    stage = plan.stage("ask")
    mine = stage.rendered
    unchanged = all((run.path / file.path).read_text(encoding="utf-8") == file.text for file in mine)
    if not (questions.same and unchanged and _is_current(run, "ask")):
        return None
    return read_answers(run.path / ANSWERS)


def _is_current(run: Run, stage: str) -> bool:
    """Whether the inputs and outputs of a stage are unchanged, byte by byte."""
    ended = next((each for each in run.runs() if each.stage == stage), None)
    if ended is None or ended.status is not Status.DONE or not ended.inputs:
        return False
    known = {**ended.inputs, **ended.outputs}
    return all(fingerprint(run.path / path) == found for path, found in known.items())


def _served(run: Run, questions: Questions) -> list[fold.StageAnswers]:
    ids = [transcript_of(row, questions.parser) for row in _rows(run.path / IDS)]
    chat = read_answers(run.path / CHAT)
    return [
        judged_answers(fold.SERVED_IDS, questions.cases, ids, HERE),
        judged_answers(fold.SERVED_CHAT, questions.cases, chat, HERE),
    ]


def _parted(run: Run) -> dict[str, str]:
    rows = [row for row in _rows(run.path / IDS) if row["purpose"] == WITH_HISTORY]
    return {row["case"]: parted for row in rows if (parted := row.get("parted"))}


def _rows(path: Path) -> list[AnswerRow]:
    return [cast("AnswerRow", row) for row in lines_of(path) if "case" in row]
