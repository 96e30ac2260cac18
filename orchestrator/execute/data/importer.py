"""A person's file, or a data set of a hub, becomes a data set of the project and a recipe that trains it.

Looked through first: where a row cannot be trained, nothing is written. What is written appears whole, the
rows before the entry that names them, the recipe last; nothing that is there is replaced, and the same
command given twice does nothing the second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.datasets.added import Origin, entry_text, name_for, name_problem, quoted, recipe_text
from orchestrator.datasets.audit import Audit
from orchestrator.datasets.base import excerpt
from orchestrator.datasets.entry import FOLDER, SUFFIXES, read_entry
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.bring_data import Location, bring, is_same
from orchestrator.execute.data.manner import Manner
from orchestrator.execute.data.scan import ScanResult, look_through
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.models.hub import fetch_dataset_file
from orchestrator.execute.models.hub.protocol import Progress
from orchestrator.execute.models.model_folder import MANIFEST, read_manifest
from orchestrator.execute.processes import process
from orchestrator.execute.project import recipes
from orchestrator.hubs import DEFAULT
from orchestrator.recipe import RecipeSource, compose

HUB = "hub:"
BASES = ("magic_conch", "smoke")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is to be added, and how.

    Attributes:
        source: a file, a folder of data, or hub:OWNER/NAME[/FILE].
        hub: which hub that is.
        name: of the data set and its recipe; "" for one made of the source's.
        base: the recipe to extend; "" for a shipped one.
        manner: how rows are read, and what is done about bad ones.
    """

    source: str
    hub: str = DEFAULT
    name: str = ""
    base: str = ""
    manner: Manner = field(default_factory=Manner)


@dataclass(frozen=True, slots=True)
class Added:
    """What it was understood as, and what was written.

    Attributes:
        name, base: of the data set and its recipe, and the recipe that this extends.
        stem: what the name was made of; "" when it was given.
        seen: what is in it.
        file, entry, recipe: relative to the project; file is "" when a hub has the rows.
    """

    name: str
    base: str
    stem: str
    seen: ScanResult
    file: str
    entry: str
    recipe: str

    @property
    def audit(self) -> Audit:
        """What was found in the rows."""
        return self.seen.audit

    def to_json(self) -> dict[str, Any]:
        """The `data` of `conch data add --json`."""
        written = {"name": self.name, "base": self.base, "entry": self.entry, "recipe": self.recipe}
        return {**written, "rows": self.file, **self.seen.to_json()}


def add_data(project: Path, wish: ImportOptions, progress: Progress = lambda _: None) -> Added:
    """Look through the rows, and write the data set and its recipe.

    Raises:
        UsageError: rows cannot be trained, or hold pictures; a name is none, or is taken by something else.
        MissingError: the file, or the hub's data set, is not there.
        StageFailed: the disk is full. Interrupted: a signal came.
    """
    base = _base(project, wish.base)
    _check_name(wish.name)
    with process.catch_signals():
        place, stem = _from_hub(wish, progress) if wish.source.startswith(HUB) else _from_here(wish.source)
        name = wish.name or name_for(stem)
        manner = _of_one_file(wish.manner) if place.hub else wish.manner
        seen = look_through(place, manner, progress)
        file = "" if place.hub else _home(project, place.path, name)
        entry = entry_text(_origin(manner, seen, place, file), _title(name, seen, place))
        read_entry(name, entry)
        texts = {
            f"{FOLDER}/{name}.yaml": entry,
            f"{recipes.FOLDER}/{name}{recipes.SUFFIX}": _recipe(project, name, base, seen),
        }
        _refuse_taken(project, texts, place.path, file)
        if file:
            bring(place.path, project / FOLDER / file, seen.sha256)
        for path, text in texts.items():
            write_durable(project / path, text)
    home = f"{FOLDER}/{file}" if file else ""
    return Added(name, base, "" if wish.name else stem, seen, home, *texts)


def _base(project: Path, wanted: str) -> str:
    """The recipe to extend."""
    known = recipes.names(project)
    if wanted in known:
        return wanted
    if wanted:
        recipes.find(wanted, project)
        what = f"a recipe extends one of recipes/ by its name, not by a path: {excerpt(wanted)}"
        raise UsageError(Problem(what, hint=f"--recipe, one of: {', '.join(known)}"))
    base = next((name for name in BASES if name in known), "")
    if not base:
        what = f"the recipe to extend must be named: there is no {' and no '.join(BASES)} here"
        raise UsageError(Problem(what, hint=f"--recipe, one of: {', '.join(known) or 'none yet'}"))
    return base


def _check_name(name: str) -> None:
    if name and (wrong := name_problem(name)):
        raise UsageError(Problem(wrong, hint="--name my_data"))


def _from_here(source: str) -> tuple[Location, str]:
    path = Path(source).expanduser().resolve()
    stem = path.name
    if path.is_file() and path.suffix.lower() not in SUFFIXES:
        what = f"{path.suffix or 'a file without a suffix'} cannot be read"
        raise UsageError(Problem(what, source, f"what can: {', '.join(SUFFIXES)}"))
    while not path.is_dir() and Path(stem).suffix.lower() in SUFFIXES:
        stem = Path(stem).stem
    return Location(path, source), stem


def _from_hub(wish: ImportOptions, progress: Progress) -> tuple[Location, str]:
    """A hub's data file, which stays where fetched files lie; the entry names its commit."""
    owner, _, rest = wish.source.removeprefix(HUB).partition("/")
    repo, _, filename = rest.partition("/")
    name = f"{owner}/{repo}"
    path = fetch_dataset_file(name, filename, "", wish.hub, progress, split=wish.manner.reading.split)
    folder = next(folder for folder in path.parents if (folder / MANIFEST).is_file())
    manifest = read_manifest(folder)
    revision = manifest.revision if manifest else ""
    file = path.relative_to(folder).as_posix()
    said = f"id: {quoted(name)}, revision: {quoted(revision)}, file: {quoted(file)}, hub: {wish.hub}"
    return Location(path, f"{name}/{file}", f"hub: {{{said}}}"), repo


def _home(project: Path, path: Path, name: str) -> str:
    """Where the rows belong, relative to dataset_info/: where they are, or in data/ under the name."""
    folder = (project / FOLDER).resolve()
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    if path.is_dir():
        return f"data/{name.replace('.', '_')}"
    # Of rows.jsonl.gz both: the inner one says how it is read.
    suffixes = [one.lower() for one in path.suffixes[-2:] if one.lower() in SUFFIXES]
    return f"data/{name}{''.join(suffixes)}"


def _of_one_file(manner: Manner) -> Manner:
    """Without the split, which has chosen a hub's file."""
    return replace(manner, reading=replace(manner.reading, split=""))


def _origin(manner: Manner, seen: ScanResult, place: Location, file: str) -> Origin:
    reading, rules = manner.reading, manner.rules
    return Origin(
        place=place.hub or f"file: {quoted(file)}",
        format=seen.format,
        columns=seen.columns,
        items=reading.items,
        sheet=reading.sheet,
        split=reading.split,
        fix=rules.fix,
        drop_bad=rules.drop_bad,
    )


def _title(name: str, seen: ScanResult, place: Location) -> str:
    source = place.shown if place.hub else Path(place.shown).name
    return f"{name}: {seen.audit.kept} rows, brought by `conch data add` from {excerpt(source)}."


def _recipe(project: Path, name: str, base: str, seen: ScanResult) -> str:
    """The recipe's text, proven to compose."""
    chain = recipes.load_chain(recipes.find(base, project), project)
    limited = compose(chain).recipe.train.max_steps is not None
    text = recipe_text(name, base, seen.audit.kept, seen.cases, steps_limited=limited)
    compose([RecipeSource(f"{recipes.FOLDER}/{name}{recipes.SUFFIX}", text), *chain])
    return text


def _refuse_taken(project: Path, texts: Mapping[str, str], source: Path, file: str) -> None:
    """Raise UsageError when something else is where a file would go."""
    taken = [path for path, text in texts.items() if not _is_free(project / path, text)]
    home = project / FOLDER / file
    if file and home.exists() and not is_same(source, home):
        taken.append(f"{FOLDER}/{file}")
    if taken:
        hint = "give it another name by --name, or move the old one away"
        raise UsageError(*(Problem("is there already, and is something else", path, hint) for path in taken))


def _is_free(path: Path, text: str) -> bool:
    return not path.exists() or (path.is_file() and path.read_bytes() == text.encode())
