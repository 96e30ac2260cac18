"""Read templates, datasets, lockfiles and hardware once into a frozen Context."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.checks import CHECKS
from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.entry import DatasetEntry, read_entry
from orchestrator.datasets.formats import recognise
from orchestrator.datasets.json_text import LONGEST_ROW
from orchestrator.datasets.rows import is_array, json_array, json_lines
from orchestrator.errors import MissingError, Problem, UsageError, did_you_mean
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from orchestrator.execute.host.atomic_files import CHUNK, open_regular, read_regular, sha256_path
from orchestrator.execute.launchers import launcher
from orchestrator.execute.project import recipes
from orchestrator.hubs import hub_of, local
from orchestrator.hubs.recipe import REWARD_LINK, recipe_of
from orchestrator.plan.job import Context, Dependency, Job
from orchestrator.plan.kinds import TRAINED_IN
from orchestrator.plan.plan import EXPORT, build_plan, plan_key
from orchestrator.plan.resolve import resolve
from orchestrator.recipe import Resolved
from orchestrator.templates.pairing import ChatTemplate, read

# The suffixes of files whose first row `plan` looks at, and how many broken rows may come before it.
_LINES, _LOOKED_AT = (".jsonl", ".ndjson", ".json"), 20


def read_job(
    name: str,
    *,
    project: Path,
    sets: Sequence[str] = (),
    hardware: str = "auto",
    chat_template: Path | None = None,
    accept_mismatch: bool = False,
) -> Job:
    """A recipe by name or path, resolved against this project and machine, and the recipes it is built on.

    `sets` and CONCH_SET_* change this recipe alone; the others are as their files say, on the same hardware.
    """
    resolved = recipes.read(
        name, project=project, sets=sets, environ=os.environ, profile=hardware, machine=machine.hardware()
    )
    context = read_context(project, resolved, accept_mismatch=accept_mismatch)
    text = None if chat_template is None else _checked(chat_template)
    return resolve(resolved, context, chat_template=text, accept_mismatch=accept_mismatch)


def _job_named(
    key: str, value: str, resolved: Resolved, project: Path, built: Sequence[str], *, accept_mismatch: bool
) -> Job | None:
    """The job of the recipe that a key names as recipe:NAME; None for any other value."""
    name = recipe_of(value)
    if not name:
        return None
    where = resolved.where(key)
    built = (*built, resolved.recipe.name)
    if name in built:
        chain = " → ".join((*built, name))
        what = f"{key}: the recipes are built on each other in a circle: {chain}"
        raise UsageError(Problem(what, where, "name a model that is not built on this recipe"))
    try:
        recipes.find(name, project)
    except UsageError:
        known = recipes.names(project)
        what = f'{key}: no recipe named "{name}"{did_you_mean(name, known)}'
        raise UsageError(Problem(what, where, f"recipes: {', '.join(known)}")) from None
    read = recipes.read(name, project=project, profile=resolved.profile, machine=machine.hardware())
    context = read_context(project, read, built=built, accept_mismatch=accept_mismatch)
    return resolve(read, context, accept_mismatch=accept_mismatch)


def _refuse_scoring(base: Job, where: str) -> None:
    """Raise UsageError for a base that another recipe exports to score answers, not to give them."""
    if base.kind.scores:
        name = base.recipe.name
        what = f"model.base: recipe {name} exports a reward model, which gives no answers to train further"
        hint = f"build on the model that {name} was trained from: model.base: {base.recipe.model.base}"
        raise UsageError(Problem(what, where, hint))


def _checked(chat_template: Path) -> str:
    """The text of a named chat template, which is first rendered in a limited child process."""
    from orchestrator.execute.project.template_sandbox import guard_template, read_template

    text = read_template(chat_template)
    guard_template(text, str(chat_template))
    return text


def read_context(
    project: Path, resolved: Resolved, *, built: Sequence[str] = (), accept_mismatch: bool = False
) -> Context:
    """Everything that resolve() needs to know of this machine and this project.

    Args:
        project: the folder that holds recipes/.
        resolved: the recipe.
        built: the recipes that are built on this one.
        accept_mismatch: of the recipe that this one is built on.
    """
    launcher(resolved.recipe.launch.launcher, resolved.where("launch.launcher"))
    data = resolved.recipe.data
    datasets = read_datasets(project, (*data.dataset, *data.validation, *data.test))
    used = [datasets[name] for name in data.dataset if name in datasets]
    apart = [datasets[name] for name in (*data.validation, *data.test) if name in datasets]
    hashed = {entry.name: _hashed(entry, project) for entry in (*used, *apart)}
    base_folder, base_state = _base_folder(resolved, project), ""
    base = resolved.recipe.model.base
    base_job = _job_named("model.base", base, resolved, project, built, accept_mismatch=accept_mismatch)
    if base_folder:
        base_state = _state_of(Path(base_folder.replace("{project}", str(project))))
    elif base_job is not None:
        _refuse_scoring(base_job, resolved.where("model.base"))
        base_state = _export_state(base_job)
    return Context(
        hardware=resolved.profile,
        templates=read_templates(project),
        datasets=datasets | hashed,
        paraphrases={entry.name: _paraphrases(entry, project) for entry in used if entry.paraphrases},
        lockfiles={name: registry.lockfile_hash(name, resolved.profile) for name in _environments(resolved)},
        base_folder=base_folder,
        base_state=base_state,
        base_job=base_job,
        reward=_reward(resolved, project, built, accept_mismatch=accept_mismatch),
    )


def _reward(
    resolved: Resolved, project: Path, built: Sequence[str], *, accept_mismatch: bool
) -> Dependency | None:
    """The recipe whose reward model scores the answers of this one's training."""
    key = "ppo.reward"
    named = resolved.recipe.ppo.reward or ""
    job = _job_named(key, named, resolved, project, built, accept_mismatch=accept_mismatch)
    return Dependency(key, REWARD_LINK, job, _export_state(job)) if job else None


def _export_state(job: Job) -> str:
    """The identity of a recipe's export, as run_recipe notes it."""
    return plan_key(build_plan(job, EXPORT), job.lockfiles)


def _environments(resolved: Resolved) -> Sequence[str]:
    """The environments that the recipe's results depend on."""
    trainer = TRAINED_IN.get(resolved.recipe.train.kind)
    return (*registry.NAMES, *([trainer.value] if trainer else []))


def read_templates(project: Path) -> dict[str, ChatTemplate]:
    """Every pairing in chat_templates/."""
    folder = project / "chat_templates"
    pairs = [(path, path.with_suffix(".jinja")) for path in sorted(folder.glob("*.yaml"))]
    return {
        path.stem: read(path.stem, _read_text(path, "pairing"), _read_text(jinja, "chat template"))
        for path, jinja in pairs
    }


def read_datasets(project: Path, named: Sequence[str] = ()) -> dict[str, DatasetEntry]:
    """Every entry in dataset_info/, and of the studio's files those that are named; no data is opened."""
    uploads = [project / "dataset_info/studio" / f"{name}.yaml" for name in named]
    entries = sorted((project / "dataset_info").glob("*.yaml")) + [one for one in uploads if one.is_file()]
    return {path.stem: read_entry(path.stem, _read_text(path, "dataset entry")) for path in entries}


def _hashed(entry: DatasetEntry, project: Path) -> DatasetEntry:
    if entry.hub_id:
        file = entry.hub_file or f"split {entry.hub_split}"
        return replace(entry, sha256=f"{entry.hub}:{entry.hub_id}@{entry.hub_revision}/{file}")
    path = project / entry.path
    # A folder of data has no suffix (datasets/entry.py).
    if not (path.is_dir() if not path.suffix else path.is_file()):
        where = f"dataset_info/{entry.name}.yaml"
        hint = f"create the file, or fix `file:` in {where}"
        raise MissingError(Problem(f"{entry.path}: no such data file", where, hint))
    try:
        read_as, first_row = ("", 0) if entry.format else _first_row(entry, path)
        return replace(entry, sha256=sha256_path(path), read_as=read_as, first_row=first_row)
    except OSError as error:
        where = str(error.filename or path)
        raise MissingError(Problem(f"cannot read the data: {error.strerror}", where)) from None


def _first_row(entry: DatasetEntry, path: Path) -> tuple[str, int]:
    """The format and the number of a file's first whole row; ("", 0) for what `prepare` alone can tell."""
    if path.suffix.lower() not in _LINES:
        return "", 0
    with open_regular(path) as file:
        array = is_array(file.read(CHUNK))
        file.seek(0)
        blocks = (lambda: file.read(CHUNK)) if array else (lambda: file.readline(LONGEST_ROW))
        rows = (json_array if array else json_lines)(iter(blocks, b""))
        for number, row in islice(rows, _LOOKED_AT):
            if not isinstance(row, RowProblem):
                found = recognise(row, entry.columns)
                return (found[0], number) if found else ("", 0)
    return "", 0


def _paraphrases(entry: DatasetEntry, project: Path) -> tuple[Mapping[str, Any], ...]:
    rows: list[Mapping[str, Any]] = []
    problems: list[Problem] = []
    text = _read_text(project / entry.paraphrases_path, "paraphrases")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if wrong := _paraphrase_fault(row):
            hint = 'write {"ask": "…", "expect": {"contains": "…"}}'
            problems.append(Problem(f"not a paraphrase: {wrong}", f"{entry.paraphrases_path}:{number}", hint))
        rows.append(row)
    if problems:
        raise UsageError(*problems)
    return tuple(rows)


def _paraphrase_fault(row: object) -> str:
    """Why a line is not a paraphrase; "" if it is."""
    if not isinstance(row, dict):
        return "not a JSON object"
    ask, expect = row.get("ask"), row.get("expect")
    turns = [ask] if isinstance(ask, str) else ask
    if not isinstance(turns, list) or not turns or not all(isinstance(one, str) and one for one in turns):
        return "ask must be a question, or a list of questions"
    if not isinstance(row.get("system") or "", str):
        return "system must be text"
    return _expectation_fault(expect)


def _expectation_fault(expect: object) -> str:
    if not isinstance(expect, dict) or not expect:
        return "expect must name a check and its argument"
    for name, argument in expect.items():
        if name not in CHECKS:
            return f'expect: no check named "{name}" ({", ".join(CHECKS)})'
        if wrong := CHECKS[name].problem(argument):
            return f"expect.{name}: {wrong}"
    return ""


def _base_folder(resolved: Resolved, project: Path) -> str:
    """The folder of a local base: "{project}/…" inside the project, otherwise absolute; "" for other hubs."""
    base = resolved.recipe.model.base
    if hub_of(base, resolved.recipe.model.hub) != local.hub:
        return ""
    folder = Path(base).expanduser()
    folder = folder if folder.is_absolute() else project / folder
    if not folder.is_dir():
        what, where = f"model.base: no folder {base}", resolved.where("model.base")
        raise MissingError(Problem(what, where, "name a folder or a hub id"))
    real, root = folder.resolve(), project.resolve()
    return f"{{project}}/{real.relative_to(root)}" if real.is_relative_to(root) else str(real)


def _state_of(folder: Path) -> str:
    """A hash of the sizes and times of a folder's files: cheap, and different after a write."""
    stats = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    text = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_text(path: Path, what: str) -> str:
    try:
        return read_regular(path).decode("utf-8")
    except FileNotFoundError:
        raise MissingError(Problem(f"no {what} at {path}", hint="check the name")) from None
    except UnicodeDecodeError as error:
        raise UsageError(Problem(f"cannot read the {what}: {error}", where=str(path))) from None
    except OSError as error:
        raise UsageError(Problem(f"cannot read the {what}: {error.strerror}", where=str(path))) from None
