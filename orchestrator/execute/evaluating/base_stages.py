"""One base of a comparison of bases: its job, and the stages that fetch it, prepare the rows and ask it.

The job is that of a recipe nobody wrote: the base, the rows, the chat template that fits. Of it only the
stages are taken that need no training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.backends import llamafactory
from orchestrator.backends.engines import base_service
from orchestrator.datasets.entry import FOLDER, DatasetEntry
from orchestrator.datasets.scaffold import name_for
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host import machine
from orchestrator.execute.host.atomic_files import read_json, read_text, sha256_path
from orchestrator.execute.project import discovery
from orchestrator.plan.job import EMBEDDED, Job
from orchestrator.plan.resolve import resolve
from orchestrator.plan.stage import Stage
from orchestrator.plan.stages import fetch, prepare
from orchestrator.plan.stages.base import served_files, task
from orchestrator.plan.stages.questions import BASE, Evaluation, general_beside
from orchestrator.recipe import Evaluate, RecipeSource, Verify, compose
from orchestrator.templates.pairing import ChatTemplate, Recognised, recognise
from orchestrator.templates.writer import ANY

NAME = "compare-bases"
# Long enough for most rows; a larger window takes memory that a small machine lacks.
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that are asked: a data set of the project, or a file, which then is where `file` says."""

    entry: DatasetEntry
    shown: str
    file: Path | None = None


def find_rows(project: Path, data: str) -> Rows:
    """A data set by its name, else a file or folder of rows by its path.

    Raises:
        UsageError: there is neither. MissingError: there is no such file.
    """
    known = discovery.read_datasets(project)
    if data in known:
        return Rows(known[data], data)
    path = Path(data).expanduser().resolve()
    if not path.exists():
        named = "/" in data or bool(Path(data).suffix)
        what = "no such data file" if named else f'no data set named "{data}", and no such file'
        hint = f"name a file of rows, or a data set of {FOLDER}/: {', '.join(sorted(known)) or 'none yet'}"
        raise (MissingError if named else UsageError)(Problem(what, data, hint))
    entry = DatasetEntry(name_for(path.stem), file=path.name, sha256=sha256_path(path))
    return Rows(entry, data, path)


def job_of(
    base: str,
    hub: str,
    rows: Rows,
    template: Recognised,
    *,
    project: Path,
    hardware: str,
    longest: int = LONGEST,
) -> Job:
    """The job of a base.

    Args:
        base: as model.base has it.
        hub: where a hub id is fetched from.
        rows: what is asked.
        template: the training whose chat template it is asked by.
        project: the folder that holds chat_templates/.
        hardware: cpu, cuda or auto.
        longest: tokens of a conversation.

    Raises:
        UsageError: the base or the template is none. MissingError: its folder, or a data file, is not there.
    """
    values = {
        "model": {"base": base, "hub": hub},
        "data": {"dataset": rows.entry.name},
        "template": {
            "name": template.training,
            "thinking": template.thinking or "on",
            "history": template.history or "keep",
        },
        "serve": {"max_model_len": longest},
    }
    try:
        source = RecipeSource(f"{NAME}.yaml", json.dumps(values))
        resolved = compose([source], profile=hardware, machine=machine.hardware())
        around = discovery.read_context(project, resolved)
        datasets = {rows.entry.name: rows.entry} if rows.file else {}
        return resolve(resolved, replace(around, datasets={**around.datasets, **datasets}))
    except (UsageError, MissingError) as error:
        # Nobody wrote that recipe: what it names came from the command line.
        error.problems = tuple(
            replace(one, where=base) if one.where.startswith(f"{NAME}.yaml") else one
            for one in error.problems
        )
        raise


def any_template(templates: Mapping[str, ChatTemplate]) -> Recognised:
    """A template that is there, for a job of which nothing is asked yet.

    Raises:
        MissingError: the project has none.
    """
    for one in templates.values():
        said = (
            fallback if value == ANY else value
            for value, fallback in ((one.thinking, "on"), (one.history, "keep"))
        )
        return Recognised(one.training, *said)
    raise MissingError(
        Problem("the project has no chat templates", hint="copy Conch's chat_templates/ into it")
    )


def template_of(base: str, folder: Path, templates: Mapping[str, ChatTemplate]) -> Recognised | None:
    """The training template that a base's own chat template belongs to; None where that cannot be told."""
    if base == EMBEDDED:
        return Recognised("deepseekr1")
    model_type = str((read_json(folder / "config.json") or {}).get("model_type") or "")
    return recognise(own_template(folder), model_type, templates)


def own_template(folder: Path) -> str:
    """The chat template that a model folder brings; "" for none."""
    if text := read_text(folder / "chat_template.jinja"):
        return text
    told = (read_json(folder / "tokenizer_config.json") or {}).get("chat_template")
    if isinstance(told, list):
        named = {one.get("name"): one.get("template") for one in told if isinstance(one, dict)}
        told = named.get("default")
    return told if isinstance(told, str) else ""


def longest_of(folder: Path) -> int:
    """The longest conversation of a model, in tokens; LONGEST where it takes more, or says nothing."""
    config: dict[str, Any] = read_json(folder / "config.json") or {}
    inner = config.get("text_config")
    said = config.get("max_position_embeddings") or (inner or {}).get("max_position_embeddings")
    return min(said, LONGEST) if isinstance(said, int) and said > 0 else LONGEST


def first_stages(job: Job, rows: Rows) -> tuple[Stage, Stage]:
    """Fetch and prepare, without what only proofs read."""
    stage = prepare.stage(job)
    settings = json.loads(stage.files[0].text)
    del settings["generated"]
    settings["held_out"] = []
    if rows.file:
        settings["datasets"][0]["path"] = str(rows.file)
    file, command = task("prepare", settings)
    return fetch.stage(job), replace(stage, files=(file,), commands=(command,))


def asking_stages(job: Job, rows: Rows, limit: int) -> Sequence[Stage]:
    """The rows, then the questions of general knowledge, to one server."""
    defaults, name = Evaluate(), rows.entry.name
    wanted = Evaluation(
        split=name,
        datasets=(name,),
        limit=limit,
        max_tokens=Verify().max_tokens,
        temperature=defaults.temperature,
        concurrency=defaults.concurrency,
        thinking=llamafactory.THINKING[job.recipe.template.thinking],
    )
    service = base_service(job, warm_during="")
    files = served_files(job)
    stage = wanted.stage(f"eval-{BASE}", BASE, files=files, inputs=("inputs",), service=service)
    return stage, general_beside(stage)
