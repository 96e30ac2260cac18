"""Some rows of a recipe as the model will see them: token by token, from LLaMA-Factory itself.

Only these rows are encoded, so that it takes as long for a large file as for a small one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.datasets.audit import Audit, Rules
from orchestrator.datasets.base import SFT
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.datasets.formats import FORMATS
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import DataFile, Reading, choose_format
from orchestrator.execute.data.encode_rows import Numbered, Say, base_of, encode, encoder_of, file_of
from orchestrator.execute.models.tokenizer_folder import check_tokenizer
from orchestrator.execute.project import discovery
from orchestrator.plan.job import Job
from orchestrator.templates.token_view import Token, tokens_of


@dataclass(frozen=True, slots=True)
class Shown:
    """One row, token by token.

    Attributes:
        where: its place in its source, as people know it. dropped: LLaMA-Factory does not train it at all.
        whole: how many tokens it has before cutoff_len; left: after it; trained: of those, learnt to write.
    """

    where: str
    dataset: str
    tokens: tuple[Token, ...]
    dropped: bool = False

    @property
    def whole(self) -> int:
        """Tokens before the cutoff."""
        return len(self.tokens)

    @property
    def left(self) -> int:
        """Tokens that are trained on, questions among them."""
        return sum(token.kept for token in self.tokens)

    @property
    def trained(self) -> int:
        """Tokens that the model learns to write."""
        return sum(token.trained for token in self.tokens)

    def to_json(self) -> dict[str, Any]:
        """A row of `conch data preview --json`."""
        counts = {"tokens": self.whole, "left": self.left, "trained": self.trained}
        row = {"where": self.where, "dataset": self.dataset, "dropped": self.dropped, **counts}
        return {**row, "pieces": [token.to_json() for token in self.tokens]}


@dataclass(frozen=True, slots=True)
class Preview:
    """What was asked for.

    Attributes:
        recipe, template, thinking, history, cutoff_len: how the rows are trained. base: the tokenizer's name.
        notes: what else is to be known about the rows.
    """

    recipe: str
    template: str
    thinking: str
    history: str
    cutoff_len: int
    base: str
    versions: Mapping[str, str]
    rows: tuple[Shown, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The `data` of `conch data preview --json`."""
        return {
            "recipe": self.recipe,
            "base": self.base,
            "template": self.template,
            "thinking": self.thinking,
            "history": self.history,
            "cutoff_len": self.cutoff_len,
            "versions": dict(self.versions),
            "notes": list(self.notes),
            "rows": [row.to_json() for row in self.rows],
        }


@dataclass
class Chosen:
    """Rows of one data set that are shown.

    Attributes:
        rows: number and conversation. places: number → where that is. notes: what was passed over.
    """

    rows: list[Numbered] = field(default_factory=list)
    places: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def preview(
    recipe: str,
    *,
    project: Path,
    count: int = 3,
    rows: Sequence[str] = (),
    tokenizer: Path | None = None,
    sets: Sequence[str] = (),
    hardware: str = "auto",
    say: Say = lambda _: None,
) -> Preview:
    """Encode some rows of a recipe.

    Args:
        recipe: a name or a path.
        project: the folder that holds recipes/.
        count: the first so many whole rows of each data set, when no row is named.
        rows: "12", "DATASET:12" or "FILE:12".
        tokenizer: a folder with another tokenizer than the base's, e.g. before the base is there.
        sets: values that stand for the recipe's.
        hardware: whose train environment is asked.
        say: is told what takes its time.

    Raises:
        UsageError: the recipe, a data set or a row is wrong. MissingError: something is not there.
        StageFailed: the probe failed. Interrupted: a signal came.
    """
    if tokenizer:
        check_tokenizer(tokenizer)
    job = discovery.read_job(recipe, project=project, sets=sets, hardware=hardware)
    wanted = _wanted(rows, job)
    chosen = {}
    for entry in job.datasets:
        if not rows or wanted.get(entry.name):
            chosen[entry.name] = _choose(entry, job, project, count, wanted.get(entry.name, ()))
    base = tokenizer or base_of(job, project, say)
    encoder = encoder_of(_of(job, tuple(chosen)), base)
    header, encoded, pieces = encode(encoder, {name: one.rows for name, one in chosen.items()}, say)
    return Preview(
        recipe=job.recipe.name,
        template=header["template"],
        thinking=job.recipe.template.thinking,
        history=job.recipe.template.history,
        cutoff_len=header["cutoff_len"],
        base=str(tokenizer) if tokenizer else job.recipe.model.base,
        versions=header["versions"],
        rows=tuple(_shown(chosen, encoded, pieces, header["stop_token_ids"])),
        notes=tuple(note for one in chosen.values() for note in one.notes),
    )


def _of(job: Job, names: Sequence[str]) -> Job:
    """The job with some of its data sets."""
    return replace(job, datasets=tuple(entry for entry in job.datasets if entry.name in names))


def _wanted(rows: Sequence[str], job: Job) -> dict[str, list[int]]:
    """Data set → numbers of the rows that were named.

    Raises:
        UsageError: a word names no row of this recipe.
    """
    found: dict[str, list[int]] = {}
    for word in rows:
        name, _, number = word.rpartition(":")
        named = [entry for entry in job.datasets if not name or name in _names(entry)]
        if not number.isascii() or not number.isdigit() or not int(number):
            raise UsageError(Problem(f"--row {word}: is not the number of a row", hint="--row 12"))
        if len(named) != 1:
            what = "is of several data sets" if named else "is in no data set of this recipe"
            known = ", ".join(f"{entry.name}:{number}" for entry in job.datasets)
            raise UsageError(Problem(f"--row {word}: {what}", hint=f"such as: {known}"))
        found.setdefault(named[0].name, []).append(int(number))
    return found


def _names(entry: DatasetEntry) -> set[str]:
    """What a data set is called by people: its name, and its file with and without folders."""
    path = entry.path or entry.hub_file
    return {entry.name, path, Path(path).name, str(Path.cwd() / path)} - {""}


def _choose(entry: DatasetEntry, job: Job, project: Path, count: int, numbers: Sequence[int]) -> Chosen:
    """The first whole rows of a data set, or those with these numbers.

    Raises:
        UsageError: there is none, or a row that was named cannot be trained: why.
    """
    path = file_of(entry, job, project)
    shown = entry.path or f"{entry.hub_id}/{entry.hub_file}"
    reading = Reading(items=entry.items, sheet=entry.sheet, split=entry.split, fix=entry.fix)
    chosen = Chosen()
    with DataFile.open(path, shown, reading) as source:
        taken = islice(source.rows(), job.recipe.data.max_samples)
        name, numbered = choose_format(entry.format, taken, shown)
        if FORMATS[name].purpose != SFT:
            what = f"rows of {name} are for {FORMATS[name].purpose}; a recipe trains conversations"
            raise UsageError(Problem(what, shown, "name a data set of conversations"))
        audit = Audit(shown, FORMATS[name], entry.columns, Rules(fix=entry.fix), place=source.place)
        if numbers:
            numbered = (one for one in numbered if one[0] in numbers)
        for number, conversation in islice(audit.conversations(numbered), len(numbers) or count):
            chosen.rows.append((number, conversation))
            chosen.places[number] = source.place(number)
        chosen.notes += [f"{shown}: {note}" for note in source.notes]
    missing = [number for number in numbers if number not in chosen.places]
    if missing and not audit.bad:
        what = f"no such row: {', '.join(map(str, missing))}"
        raise UsageError(Problem(what, shown, f"its first rows: conch data preview {job.recipe.name}"))
    if missing or not chosen.rows:
        raise UsageError(*audit.problems())
    if audit.bad:
        bad = f"{audit.bad} rows before these cannot be trained"
        chosen.notes.append(f"{shown}: {bad}; conch data audit {shown}")
    return chosen


def _shown(
    chosen: Mapping[str, Chosen],
    encoded: Sequence[Mapping[str, Any]],
    pieces: Mapping[int, str],
    stops: Sequence[int],
) -> Iterator[Shown]:
    """Every row that was chosen, in order, also those that LLaMA-Factory dropped."""
    found = {(row["dataset"], row["row"]): row for row in encoded}
    for name, one in chosen.items():
        for number, where in one.places.items():
            row = found.get((name, number))
            tokens = tuple(tokens_of(row, pieces, stops)) if row else ()
            yield Shown(where, name, tokens, dropped=row is None)
