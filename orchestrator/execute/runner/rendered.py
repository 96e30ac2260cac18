"""The files that Conch rendered for a run: an engine starts only if they are what was rendered.

Compared byte by byte, not judged again by the option tables: that also finds an edit of what Conch sets
itself, such as the chat template or the model's folder, so that what runs is what `conch plan` showed. Only
`conch prove` and `conch why` take a run's files as they find them, to judge them; there the tables decide
(`as_found`). Not covered: an edit while an engine is reading; whoever can do that has the user's rights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from orchestrator.backends.engines import CONFIG, ENGINES
from orchestrator.backends.options.llamafactory import OPTIONS as TRAINER
from orchestrator.backends.options.table import OptionTable
from orchestrator.errors import Problem, UsageError
from orchestrator.plan.stage import Plan, RenderedFile

# Files that are judged as they are, not rendered.
JUDGED = ("chat_template.jinja", "train.yaml", CONFIG)


def is_as_rendered(folder: Path, file: RenderedFile) -> bool:
    """Whether a file is what was rendered, and no link to it."""
    path = folder / file.path
    return not path.is_symlink() and _text(path) == file.text


def refuse_edited(folder: Path, files: Iterable[RenderedFile]) -> None:
    """UsageError if a file is not what was rendered."""
    changed = [file.path for file in files if not is_as_rendered(folder, file)]
    if changed:
        what = "this file was edited after Conch wrote it: nothing is started with it"
        hint = "change the recipe instead, and run the command again: Conch writes the file anew"
        raise UsageError(*(Problem(what, str(folder / path), hint) for path in changed))


def as_found(folder: Path, plan: Plan) -> Plan:
    """The plan with a run's JUDGED files as they are now; UsageError if an edit of one could do harm."""
    rendered = {file.path: file for stage in plan.stages for file in stage.files if file.path in JUDGED}
    found = {
        path: RenderedFile(path, text) for path in rendered if (text := _text(folder / path)) is not None
    }
    problems = [
        problem
        for path, table in _tables(plan).items()
        if path in found and found[path] != rendered[path]
        for problem in _harmful(folder / path, found[path].text, rendered[path].text, table)
    ]
    if problems:
        raise UsageError(*problems)
    stages = [
        replace(
            stage, files=tuple(found.get(file.path, file) for file in stage.files if _is_there(file, found))
        )
        for stage in plan.stages
    ]
    return replace(plan, stages=tuple(stages))


def _is_there(file: RenderedFile, found: Mapping[str, RenderedFile]) -> bool:
    return file.path not in JUDGED or file.path in found


def _tables(plan: Plan) -> dict[str, OptionTable]:
    tables = {"train.yaml": TRAINER}
    for stage in plan.stages:
        if stage.service and stage.service.engine in ENGINES:
            tables[CONFIG] = ENGINES[stage.service.engine].options
    return tables


def _harmful(path: Path, text: str, rendered: str, table: OptionTable) -> Iterator[Problem]:
    """The edited settings that a recipe could not set either, and those that name code, paths or ports."""
    found, before = _settings(text), _settings(rendered) or {}
    if found is None:
        yield Problem("edited after Conch wrote it, and no mapping any more", str(path), "restore it")
        return
    edited = {key: value for key, value in found.items() if key not in before or value != before[key]}
    for refusal in table.refusals(edited, judged=True):
        what = f"{'.'.join(refusal.keys)}, edited after Conch wrote it: {refusal.what}"
        yield Problem(what, str(path), "restore it; to change a setting, change the recipe and train again")


def _settings(text: str) -> Mapping[str, object] | None:
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    return {str(key): value for key, value in found.items()} if isinstance(found, Mapping) else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
