"""What the stages share: how a task is called, and the paths that more than one of them names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Command, RenderedFile

CONVERSATIONS = "data/conversations.jsonl"
DATA_PROOF = "proofs/data"
EXPORT_PROOF = "proofs/export"
HASHES = "hashes.json"
SCORES = "proofs/scores"
SERVED_PROOF = "proofs/served"
CERTIFICATE = "proof.json"
BASE_ANSWERS = "base_answers.jsonl"
ANSWERS = "answers.jsonl"
VERDICTS = "verdicts.json"
CURVE = "curve.json"
TARGET = "target.json"


def asks_rows(job: Job) -> bool:
    """Whether a case of the recipe is made of rows of the data."""
    return any("from" in case for case in job.cases)


def task(
    name: str, settings: Mapping[str, Any], *, secrets: tuple[str, ...] = ()
) -> tuple[RenderedFile, Command]:
    """Work of Conch's own as a process: its settings as a file a person can read, and the command.

    A task is a process so that it can be killed, logged and resumed like any other.
    """
    path = f"tasks/{name}.json"
    text = json.dumps(settings, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    module = name.partition("-")[0]
    argv = ("{conch}/bin/python", "-m", "orchestrator.execute.runner.task", module, path)
    return RenderedFile(path, text), Command(argv=argv, secrets=secrets)
