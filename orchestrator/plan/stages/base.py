"""What several stages share: calling a task, paths, files, and settings of tasks that more than one uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.backends.engines import config_file, engine_of
from orchestrator.plan.stage import Command, RenderedFile, Runtime

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from orchestrator.plan.job import Job

CONVERSATIONS = "data/conversations.jsonl"
DATA_PROOF = "proofs/data"
EXPORT_PROOF = "proofs/export"
EXPANDED = "expanded"
HASHES = "hashes.json"
SCORES = "proofs/scores"
TRAINER_LOSS, REWARDS = "trainer_loss.jsonl", "rewards.jsonl"
SERVED_PROOF = "proofs/served"
GAIN_PROOF = "proofs/reward"
CERTIFICATE = "proof.json"
BASE_ANSWERS = "base_answers.jsonl"
ANSWERS = "answers.jsonl"
VERDICTS = "verdicts.json"
CURVE = "curve.json"
TARGET = "target.json"
# The proofs of every engine's running server.
SERVED_PROOFS = (TOKENS, LOSS, SAMPLING) = ("parity:served", "loss", "sampling")
PARITY_OF_DATA = "parity:data"
ENVIRONMENT, GAIN = "environment", "reward:gain"


def template_file(job: Job) -> RenderedFile:
    """The chat template that is proven and served."""
    return RenderedFile("chat_template.jinja", job.chat_template)


def served_files(job: Job) -> tuple[RenderedFile, ...]:
    """The files that the server of either model reads."""
    return config_file(job), template_file(job)


def asks_rows(job: Job) -> bool:
    """Whether a case of the recipe is made of rows of the data."""
    from orchestrator.checks.base import DatasetCase

    return any(isinstance(case, DatasetCase) for case in job.cases)


def task(
    name: str, settings: DataclassInstance, *, secrets: tuple[str, ...] = ()
) -> tuple[RenderedFile, Command]:
    """A task of Conch's own as a process: its settings as a file a person can read, and the command.

    A task is a process so that it can be killed, logged and resumed like any other.

    Args:
        name: of TASKS in execute/runner/task.py, with "-SUFFIX" where a plan runs it more than once.
        settings: the frozen Settings that the task's function takes; fields at their default are left out.
        secrets: names of variables that are passed through from the user.
    """
    path = f"tasks/{name}.json"
    text = json.dumps(settings_json(settings), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    module = name.partition("-")[0]
    argv = ("{conch}/bin/python", "-m", "orchestrator.execute.runner.task", module, path)
    return RenderedFile(path, text), Command(argv=argv, secrets=secrets)


def settings_json(settings: DataclassInstance) -> dict[str, Any]:
    """The fields of a Settings that differ from their defaults, JSON-able; nested ones the same way."""
    values = {}
    for one in fields(settings):
        value = getattr(settings, one.name)
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if default is MISSING or value != default:
            values[one.name] = _plain(value)
    return values


def _plain(value: Any) -> Any:
    from orchestrator.recipe.section import Section

    if is_dataclass(value) and not isinstance(value, type):
        return settings_json(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Section):
        return value.model_dump()
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedPaths:
    """What is hashed: paths in the run folder, and environment → hash of its lockfile."""

    base: str
    manifest: str
    adapter: str
    chat_template: str
    train_yaml: str
    data: tuple[str, ...]
    environments: Mapping[str, str] = field(default_factory=dict)


def hashed_paths(job: Job) -> HashedPaths:
    """Base, adapter, template, settings and data of a run."""
    return HashedPaths(
        base="inputs/base",
        manifest="inputs/base.json",
        adapter=job.adapter,
        chat_template="chat_template.jinja",
        train_yaml="train.yaml",
        data=tuple(f"data/{name}.jsonl" for name in (*job.names_of("train"), *job.names_of("validation"))),
        environments=dict(job.lockfiles),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings:
    """Settings of the task `compare`: the files of the two probes; `name` is that of the proof."""

    name: str
    training_ids: str
    serving_ids: str
    out: str
    accept_mismatch: bool = False


def serving_probe(job: Job, model: str, out: str) -> Command:
    """vLLM's own renderer over the conversations, with the tokenizer of a model folder."""  # noqa: D403
    words = ("--model", model, "--chat-template", "chat_template.jinja", "--thinking", job.template.thinking)
    return Command(
        argv=(
            *("{serve}/bin/python", "{probes}/serving_ids.py", *words),
            *("--conversations", CONVERSATIONS, "--out", out),
        ),
        runtime=Runtime.SERVE,
    )


def unproven(job: Job) -> dict[str, str]:
    """Proof → why the training kind has none of it, or the servers of the recipe's engine cannot give it."""
    limitations = engine_of(job).limitations
    tokens = limitations.tokenize
    reasons = (tokens, tokens or limitations.prompt_logprobs, limitations.defaults)
    lacking = {proof: reason for proof, reason in zip(SERVED_PROOFS, reasons, strict=True) if reason}
    if job.kind.scores and not job.names_of("validation"):
        lacking["reward:accuracy"] = "there are no held-out pairs: set data.validation_share"
    return lacking | dict(job.kind.unproven)
