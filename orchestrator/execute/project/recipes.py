"""Recipe files: find the project, find a recipe by name or path, read it and what it extends."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.errors import MissingError, Problem, UsageError, did_you_mean
from orchestrator.execute.host.atomic_files import open_regular
from orchestrator.outside import Outside
from orchestrator.recipe import (
    NAME_PATTERN,
    NAME_WORDS,
    SIZE_LIMIT,
    RecipeSource,
    Resolved,
    compose,
    extends_of,
)

FOLDER = "recipes"
STUDIO = f"{FOLDER}/studio"  # of the jobs of `conch studio`: found by name, not listed
SUFFIX = ".yaml"
_NAME = re.compile(NAME_PATTERN.removesuffix("$"))


def project_folder(start: Path) -> Path:
    """The nearest folder, from `start` upward, that contains recipes/; MissingError if there is none."""
    here = start.absolute()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir():
            return folder
    raise MissingError(
        Problem("no recipes/ here or in any folder above", str(here), "cd into the project, or mkdir recipes")
    )


def names(project: Path) -> list[str]:
    """The names of the project's recipes, sorted."""
    files = (project / FOLDER).glob(f"*{SUFFIX}")
    return sorted(file.stem for file in files if _NAME.fullmatch(file.stem) and file.is_file())


def find(name: str, project: Path) -> Path:
    """The file of a recipe given by its name in recipes/, or by a path: anything with a / or a .yaml.

    A bare NAME.yaml that does not exist here is looked up in recipes/. A UsageError suggests the nearest
    recipe.
    """
    if "/" in name or name.endswith((SUFFIX, ".yml")):
        for path in (Path(name), *([project / FOLDER / name] if "/" not in name else [])):
            if _exists(path):
                return path
        raise UsageError(Problem("no such recipe file", str(Outside(name)), _others("", project)))
    if not _NAME.fullmatch(name):
        problem = f'"{Outside(name)}" is not a recipe name: it must be {NAME_WORDS}, or a path'
        raise UsageError(Problem(problem, hint=_others("", project)))
    for folder in (FOLDER, STUDIO):
        if _exists(path := project / folder / f"{name}{SUFFIX}"):
            return path
    raise UsageError(_unknown(name, project))


def read(
    name: str,
    *,
    project: Path,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    profile: str = "auto",
    machine: str = "cpu",
) -> Resolved:
    """Read a recipe and what it extends, and compose them (see orchestrator.recipe.compose)."""
    chain = load_chain(find(name, project), project)
    return compose(chain, sets=sets, environ=environ, profile=profile, machine=machine)


def load_chain(path: Path, project: Path) -> list[RecipeSource]:
    """The recipe file, then what it extends, the root last.

    A recipe outside recipes/ may extend one of its own folder, which is searched before recipes/.
    """
    paths, chain = [path], [load(path, project)]
    while (extended := extends_of(chain[-1])) is not None:
        parent, where = extended
        found = _parent(parent, paths[-1].parent, where, project)
        if any(found.samefile(before) for before in paths):
            circle = " → ".join([*(before.stem for before in paths), found.stem])
            raise UsageError(Problem(f"extends: circular: {circle}", where, "remove one of the extends:"))
        paths.append(found)
        chain.append(load(found, project))
    return chain


def load(path: Path, project: Path) -> RecipeSource:
    """The text of one recipe file; UsageError if it is not a file, too large, unreadable or not UTF-8."""
    shown = show(path, project)
    try:
        with open_regular(path) as file:
            raw = file.read(SIZE_LIMIT + 1)
    except IsADirectoryError:
        raise UsageError(Problem("not a file", shown, "name a recipe file")) from None
    except OSError as error:
        raise UsageError(Problem(f"cannot read it: {error.strerror}", shown)) from error
    if len(raw) > SIZE_LIMIT:
        raise UsageError(Problem("larger than 1 MiB: not a recipe", shown))
    try:
        return RecipeSource(shown, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        problem = Problem("not UTF-8 text", f"{shown}:{line}:{column}", "save the file as UTF-8")
        raise UsageError(problem) from error


def show(path: Path, project: Path) -> str:
    """A path for messages: relative to the project if inside it, otherwise as given."""
    try:
        return path.absolute().relative_to(project.absolute()).as_posix()
    except ValueError:
        return str(Outside(str(path)))


def _parent(name: str, beside: Path, where: str, project: Path) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(Problem(f"extends: must be the name of a recipe, {NAME_WORDS}", where))
    for folder in (beside, project / FOLDER):
        path = folder / f"{name}{SUFFIX}"
        if _exists(path):
            return path
    unknown = _unknown(name, project)
    raise UsageError(Problem(f"extends: {unknown.what}", where, unknown.hint))


def _unknown(name: str, project: Path) -> Problem:
    return Problem(
        f'no recipe named "{name}"{did_you_mean(name, names(project))}', "", _others(name, project)
    )


def _others(name: str, project: Path) -> str:
    known = ", ".join(other for other in names(project) if other != name)
    return f"recipes here: {known}" if known else f"write {FOLDER}/{name or 'NAME'}{SUFFIX}"


def _exists(path: Path) -> bool:
    """Whether a path exists; False for a name that no file can have."""
    try:
        return path.exists()
    except OSError:
        return False
