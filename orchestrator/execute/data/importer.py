"""Makes a dataset of the project, and a recipe that trains it, from a user's file or a hub's dataset.

The rows are scanned first; if one cannot be trained, nothing is written. Files appear whole: the rows, then
the entry that names them, then the recipe. Nothing existing is replaced, and running the command again
changes nothing.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.datasets.audit import Audit
from orchestrator.datasets.base import PURPOSES, excerpt
from orchestrator.datasets.entry import FOLDER, SUFFIXES, DatasetEntry, name_problem, read_entry
from orchestrator.datasets.scaffold import CUDA, Scaffold, entry_text, name_for, recipe_text
from orchestrator.datasets.split import SplitSpec
from orchestrator.datasets.trained_cases import answer_tokens
from orchestrator.datasets.updates import length_of
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import DataOptions, Progress
from orchestrator.execute.data.readers.packed import is_about
from orchestrator.execute.data.readers.text_lines import FILE
from orchestrator.execute.data.scan import ScanResult, TrainedPart, scan
from orchestrator.execute.host.atomic_files import (
    CHUNK,
    remove,
    sha256_path,
    sync_folder,
    sync_tree,
    write_durable,
    write_error,
)
from orchestrator.execute.host.output_file import OutputFile
from orchestrator.execute.host.signals import catch_signals, check
from orchestrator.execute.models.hub import fetch_dataset_file
from orchestrator.execute.models.model_folder import MANIFEST, read_manifest
from orchestrator.execute.project import recipes
from orchestrator.hubs import DEFAULT
from orchestrator.recipe import Recipe, RecipeSource, compose
from orchestrator.recipe.hardware import PROFILES

HUB = "hub:"
BASES = ("magic_conch", "smoke")
# A folder of these has a document in each file.
TEXTS = (".txt", ".md")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is added, and how.

    Attributes:
        source: a file, a folder of data, or hub:OWNER/NAME[/FILE].
        hub: the hub of the latter.
        name: of the dataset and its recipe; "" to derive it from the source.
        base: the recipe to extend; "" for a shipped one.
        data: how rows are read, and what is done about faulty ones.
    """

    source: str
    hub: str = DEFAULT
    name: str = ""
    base: str = ""
    data: DataOptions = field(default_factory=DataOptions)


@dataclass(frozen=True, slots=True)
class Imported:
    """What was written.

    Attributes:
        name, base: of the dataset and its recipe, and the recipe that this extends.
        stem: the source of the name; "" if the name was given.
        scan: the rows.
        file, entry, recipe: relative to the project; file is "" if a hub has the rows.
    """

    name: str
    base: str
    stem: str
    scan: ScanResult
    file: str
    entry: str
    recipe: str

    @property
    def audit(self) -> Audit:
        """The counts of the rows."""
        return self.scan.file.audit

    def to_json(self) -> dict[str, object]:
        """The `data` of `conch data add --json`."""
        written = {"name": self.name, "base": self.base, "entry": self.entry, "recipe": self.recipe}
        return {**written, "rows": self.file, **self.scan.to_json()}


@dataclass(frozen=True, slots=True)
class _Location:
    """Where the rows are.

    Attributes:
        path: the file or folder. shown: its name, for messages. stem: what the name is derived from.
        hub, hub_id, hub_revision, hub_file: as in DatasetEntry; "" for a local file.
    """

    path: Path
    shown: str
    stem: str
    hub: str = ""
    hub_id: str = ""
    hub_revision: str = ""
    hub_file: str = ""


def add_data(project: Path, options: ImportOptions, progress: Progress = lambda _: None) -> Imported:
    """Scan the rows, and write the dataset and its recipe.

    Raises:
        UsageError: rows cannot be trained, or contain images; a name is invalid or taken.
        MissingError: the file, or the hub's dataset, does not exist.
        StageFailed: the disk is full. Interrupted: a signal came.
    """
    base = _base(project, options.base)
    if options.name and (wrong := name_problem(options.name)):
        raise UsageError(Problem(wrong, hint="--name my_data"))
    with catch_signals():
        from_hub = options.source.startswith(HUB)
        location = _on_hub(options, progress) if from_hub else _local(options.source)
        name = options.name or name_for(location.stem)
        data, chain = options.data, recipes.load_chain(recipes.find(base, project), project)
        settings = {profile: compose(chain, profile=profile).recipe for profile in PROFILES}
        if from_hub:  # the split has chosen the hub's file
            data = replace(data, reading=replace(data.reading, split=""))
        if location.path.is_dir() and not data.reading.items and _is_text(location.path):
            data = replace(data, reading=replace(data.reading, items=FILE))
        found = scan(location.path, location.shown, data, progress, trained_part(settings[CUDA]))
        file = "" if from_hub else _home(project, location.path, name)
        entry = entry_text(_entry(name, data, found, location, file), _title(name, found, location))
        read_entry(name, entry)
        texts = {
            f"{FOLDER}/{name}.yaml": entry,
            f"{recipes.FOLDER}/{name}{recipes.SUFFIX}": scaffold(name, base, chain, settings, found),
        }
        _refuse_taken(project, texts, location.path, file)
        if file:
            copy_into_project(location.path, project / FOLDER / file, found.file.sha256)
        for path, text in texts.items():
            write_durable(project / path, text)
    home = f"{FOLDER}/{file}" if file else ""
    return Imported(name, base, "" if options.name else location.stem, found, home, *texts)


def _base(project: Path, name: str) -> str:
    """The recipe to extend."""
    known = recipes.names(project)
    if name in known:
        return name
    if name:
        recipes.find(name, project)
        what = f"a recipe extends one of recipes/ by its name, not by a path: {excerpt(name)}"
        raise UsageError(Problem(what, hint=f"--recipe, one of: {', '.join(known)}"))
    base = next((one for one in BASES if one in known), "")
    if not base:
        what = f"name the recipe to extend: recipes/ has no {' and no '.join(BASES)}"
        raise UsageError(Problem(what, hint=f"--recipe, one of: {', '.join(known) or 'none yet'}"))
    return base


def _local(source: str) -> _Location:
    path = Path(source).expanduser().resolve()
    stem = path.name
    if path.is_file() and path.suffix.lower() not in SUFFIXES:
        what = f"cannot read {path.suffix or 'a file without a suffix'}"
        raise UsageError(Problem(what, source, f"supported: {', '.join(SUFFIXES)}"))
    while not path.is_dir() and Path(stem).suffix.lower() in SUFFIXES:
        stem = Path(stem).stem
    return _Location(path, source, stem)


def _on_hub(options: ImportOptions, progress: Progress) -> _Location:
    """A hub's data file, which stays in the cache; the entry names its commit."""
    owner, _, rest = options.source.removeprefix(HUB).partition("/")
    repo, _, filename = rest.partition("/")
    name = f"{owner}/{repo}"
    path = fetch_dataset_file(name, filename, "", options.hub, progress, split=options.data.reading.split)
    folder = next(folder for folder in path.parents if (folder / MANIFEST).is_file())
    manifest = read_manifest(folder)
    file = path.relative_to(folder).as_posix()
    revision = manifest.revision if manifest else ""
    return _Location(path, f"{name}/{file}", repo, options.hub, name, revision, file)


def _is_text(folder: Path) -> bool:
    """Whether a folder has documents: then each file is one."""
    suffixes = {
        path.suffix.lower() for path in folder.iterdir() if path.is_file() and not is_about(path.name)
    }
    return bool(suffixes & set(TEXTS)) and not suffixes & set(SUFFIXES) - set(TEXTS)


def _home(project: Path, path: Path, name: str) -> str:
    """Where the rows belong, relative to dataset_info/: where they are, or in data/ under the name."""
    folder = (project / FOLDER).resolve()
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    if path.is_dir():
        return f"data/{name.replace('.', '_')}"
    # Both suffixes of rows.jsonl.gz: the inner one decides how it is read.
    suffixes = [one.lower() for one in path.suffixes[-2:] if one.lower() in SUFFIXES]
    return f"data/{name}{''.join(suffixes)}"


def _entry(name: str, data: DataOptions, found: ScanResult, location: _Location, file: str) -> DatasetEntry:
    return DatasetEntry(
        name,
        format=found.file.format,
        file=file,
        hub_id=location.hub_id,
        hub_revision=location.hub_revision,
        hub_file=location.hub_file,
        hub=location.hub,
        columns=found.columns,
        items=data.reading.items,
        sheet=data.reading.sheet,
        split=data.reading.split,
        fix=data.rules.fix,
        drop_bad=data.rules.drop_bad,
        limits=data.reading.limits,
    )


def _title(name: str, found: ScanResult, location: _Location) -> str:
    source = location.shown if location.hub_id else Path(location.shown).name
    return f"{name}: {found.file.audit.kept} rows, added by `conch data add` from {excerpt(source)}."


def trained_part(base: Recipe) -> TrainedPart:
    """Which rows the base would train; none are known of a split by what only a run reads."""
    data = base.data
    if data.parts and (data.stratify or data.near_duplicates):
        return TrainedPart(most=0)
    return TrainedPart(data.max_samples, SplitSpec(data.parts, data.split_seed) if data.parts else None)


def scaffold(
    name: str, base: str, chain: Sequence[RecipeSource], settings: Mapping[str, Recipe], found: ScanResult
) -> str:
    """The text of the recipe, checked by composing it.

    Args:
        name: of the recipe.
        base: the recipe that it extends.
        chain: the files of the base.
        settings: the base on each profile.
        found: the rows.
    """
    on_gpu = settings[CUDA]
    data, rows, purpose = on_gpu.data, found.file.audit.kept, found.file.purpose
    length = length_of(purpose, rows, found.tokens, settings)
    updates = length.updates
    epochs = {one.train.epochs for one in settings.values()}, {one.epochs for one in updates.values()}
    needed = max((answer_tokens(case.answer) for case in found.cases), default=0)
    text = recipe_text(
        Scaffold(
            name=name,
            base=base,
            rows=rows,
            cases=found.cases,
            updates=updates if on_gpu.train.max_steps is None else {},
            apart=any(len(values) > 1 for values in epochs),
            max_tokens={
                profile: needed for profile, one in settings.items() if one.verify.max_tokens < needed
            },
            held_out=next((part for part in ("test", "validation") if part in data.parts), ""),
            checked=on_gpu.target.checks is not None,
            kind=PURPOSES[purpose][1],
            same_kind=on_gpu.train.kind == PURPOSES[purpose][1],
            share=length.held_out,
            cutoff=length.cutoff if length.cutoff != data.cutoff_len else 0,
        )
    )
    compose([RecipeSource(f"{recipes.FOLDER}/{name}{recipes.SUFFIX}", text), *chain])
    return text


def _refuse_taken(project: Path, texts: Mapping[str, str], source: Path, file: str) -> None:
    """Raise UsageError if a file exists already and is different."""
    taken = [path for path, text in texts.items() if not _is_free(project / path, text)]
    home = project / FOLDER / file
    if file and home.exists() and not is_same(source, home):
        taken.append(f"{FOLDER}/{file}")
    if taken:
        hint = "choose another name with --name, or move the existing file away"
        raise UsageError(*(Problem("exists already, and is different", path, hint) for path in taken))


def _is_free(path: Path, text: str) -> bool:
    return not path.exists() or (path.is_file() and path.read_bytes() == text.encode())


def is_same(source: Path, target: Path) -> bool:
    """Whether two files, or the files of two folders, have the same bytes."""
    if source.is_dir() != target.is_dir():
        return False
    return source.samefile(target) or sha256_path(source) == sha256_path(target)


def copy_into_project(source: Path, target: Path, sha256: str) -> None:
    """Copy a file or a folder, unless the target exists; then is_same has compared the two.

    `sha256` is the hash of the file when it was scanned; a folder is copied as it is now.

    Raises:
        UsageError: the file has changed. StageFailed: the disk is full. Interrupted: a signal came.
    """
    if target.exists():
        return
    try:
        if source.is_dir():
            _copy_folder(source, target)
            return
        with source.open("rb") as file, OutputFile.create(target) as output:
            digest = hashlib.sha256()
            while chunk := file.read(CHUNK):
                check()
                digest.update(chunk)
                output.write(chunk)
            if f"sha256:{digest.hexdigest()}" != sha256:
                raise UsageError(Problem("the file changed while it was read", str(source), "run it again"))
            output.finish()
    except OSError as error:
        raise write_error(error, target) from None


def _copy_folder(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.partial")
    remove(temporary)
    try:
        shutil.copytree(source, temporary)
        check()
        sync_tree(temporary)
        temporary.rename(target)
        sync_folder(target.parent)
    finally:
        remove(temporary)
