"""Some rows of a recipe as the model sees them: token by token, from LLaMA-Factory itself.

Only these rows are encoded, so a large file takes no longer than a small one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

from orchestrator.datasets.base import PT, Example, Pair, Text
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.datasets.preferences import DISLIKED, tally_of
from orchestrator.datasets.targets import REJECTED
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import DataOptions, Progress, audited
from orchestrator.execute.data.encode_rows import (
    NumberedExample,
    base_of,
    encode,
    encoder_of,
    file_of,
)
from orchestrator.execute.models.tokenizer_folder import check_tokenizer
from orchestrator.execute.project import discovery
from orchestrator.plan.job import Job
from orchestrator.templates.token_view import PreviewRow, Token, tokens_of

BETTER, WORSE = "better answer", "worse answer"
JOINED = "training joins the documents and cuts them into blocks of {} tokens; they are shown before that"


@dataclass(frozen=True, slots=True)
class PreviewedRow:
    """One row, token by token.

    Attributes:
        where: its location. dropped: whether LLaMA-Factory does not train it at all.
        says: what it is, for a row that is no conversation: "better answer", "liked", …
        whole: tokens before cutoff_len; left: after it; trained: those of the latter that are learnt.
    """

    where: str
    dataset: str
    tokens: tuple[Token, ...]
    dropped: bool = False
    says: str = ""

    @property
    def whole(self) -> int:
        """Tokens before the cutoff."""
        return len(self.tokens)

    @property
    def left(self) -> int:
        """Tokens after the cutoff, including those of questions."""
        return sum(token.kept for token in self.tokens)

    @property
    def trained(self) -> int:
        """Tokens that the model learns to write."""
        return sum(token.trained for token in self.tokens)

    @property
    def effect(self) -> str:
        """What training does with the answer."""
        return "made less likely" if self.says in (WORSE, DISLIKED) else "learnt"

    def to_json(self) -> dict[str, object]:
        """A row of `conch data preview --json`."""
        counts = {"tokens": self.whole, "left": self.left, "trained": self.trained}
        row = {
            "where": self.where,
            "dataset": self.dataset,
            "dropped": self.dropped,
            "says": self.says,
            "effect": self.effect,
            **counts,
        }
        return {**row, "pieces": [token.to_json() for token in self.tokens]}


@dataclass(frozen=True, slots=True)
class Preview:
    """The rows, and how they are trained.

    Attributes:
        recipe, template, thinking, history, cutoff_len: the settings. base: the tokenizer's name.
        notes: what else to know about the rows.
    """

    recipe: str
    template: str
    thinking: str
    history: str
    cutoff_len: int
    base: str
    versions: Mapping[str, str]
    rows: tuple[PreviewedRow, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
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
class _Selection:
    """The rows of one dataset that are shown.

    Attributes:
        rows: number and example. where: number → location. notes: what was skipped.
    """

    rows: list[NumberedExample] = field(default_factory=list)
    where: dict[int, str] = field(default_factory=dict)
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
    say: Progress = lambda _: None,
) -> Preview:
    """Encode some rows of a recipe.

    Args:
        recipe: a name or a path.
        project: the folder that contains recipes/.
        count: the first so many valid rows of each dataset, if no row is named.
        rows: "12", "DATASET:12" or "FILE:12".
        tokenizer: a folder with another tokenizer than the base's, e.g. before the base is downloaded.
        sets: overrides of recipe values.
        hardware: whose train environment is used.
        say: called with messages about slow steps.

    Raises:
        UsageError: the recipe, a dataset or a row is wrong. MissingError: something is missing.
        StageFailed: the probe failed. Interrupted: a signal came.
    """
    if tokenizer:
        check_tokenizer(tokenizer)
    job = discovery.read_job(recipe, project=project, sets=sets, hardware=hardware)
    numbers = _numbers(rows, job)
    selected = {}
    for entry in job.datasets:
        if not rows or numbers.get(entry.name):
            selected[entry.name] = _select(entry, job, project, count, numbers.get(entry.name, ()))
    base = tokenizer or base_of(job, project, say)
    named = tuple(entry for entry in job.datasets if entry.name in selected)
    encoder = encoder_of(replace(job, datasets=named), base)
    header, encoded, pieces = encode(
        encoder, job.kind.purpose, {name: one.rows for name, one in selected.items()}, say
    )
    return Preview(
        recipe=job.recipe.name,
        template=header["template"],
        thinking=job.recipe.template.thinking,
        history=job.recipe.template.history,
        cutoff_len=header["cutoff_len"],
        base=str(tokenizer) if tokenizer else job.recipe.model.base,
        versions=header["versions"],
        rows=tuple(_previewed(selected, encoded, pieces, header["stop_token_ids"])),
        notes=(
            *(note for one in selected.values() for note in one.notes),
            *([JOINED.format(header["cutoff_len"])] if job.kind.purpose == PT else []),
        ),
    )


def _numbers(rows: Sequence[str], job: Job) -> dict[str, list[int]]:
    """Dataset → the numbers of its named rows.

    Raises:
        UsageError: a word names no row of this recipe.
    """
    found: dict[str, list[int]] = {}
    for word in rows:
        name, _, number = word.rpartition(":")
        entries = [entry for entry in job.datasets if not name or name in _names(entry)]
        if not number.isascii() or not number.isdigit() or not int(number):
            raise UsageError(Problem(f"--row {word}: not a row number", hint="--row 12"))
        if len(entries) != 1:
            what = "several datasets have this row" if entries else "no dataset of this recipe has this row"
            known = ", ".join(f"{entry.name}:{number}" for entry in job.datasets)
            raise UsageError(Problem(f"--row {word}: {what}", hint=f"for example: {known}"))
        found.setdefault(entries[0].name, []).append(int(number))
    return found


def _names(entry: DatasetEntry) -> set[str]:
    """The names that users give a dataset: its own, and its file's with and without folders."""
    path = entry.path or entry.hub_file
    return {entry.name, path, Path(path).name, str(Path.cwd() / path)} - {""}


def _select(entry: DatasetEntry, job: Job, project: Path, count: int, numbers: Sequence[int]) -> _Selection:
    """The first valid rows of a dataset, or those with these numbers.

    Raises:
        UsageError: there is none, or a named row cannot be trained.
    """
    path, shown, selection = file_of(entry, job, project), entry.shown, _Selection()
    most = job.recipe.data.max_samples
    with audited(path, DataOptions.of(entry), shown=shown, most=most, purpose=job.kind.purpose) as file:
        audit = file.audit
        rows = (one for one in file.rows if one[0] in numbers) if numbers else file.rows
        for number, example, _ in islice(audit.examples(rows), len(numbers) or count):
            selection.rows.append((number, example))
            selection.where[number] = audit.where(number)
        selection.notes += [f"{shown}: {note}" for note in file.notes]
    missing = [number for number in numbers if number not in selection.where]
    if missing and not audit.bad:
        what = f"no such row: {', '.join(map(str, missing))}"
        raise UsageError(Problem(what, shown, f"its first rows: conch data preview {job.recipe.name}"))
    if missing or not selection.rows:
        raise UsageError(*audit.problems())
    if audit.bad:
        bad = f"{audit.bad} rows before these cannot be trained"
        selection.notes.append(f"{shown}: {bad}; run conch data audit {shown}")
    return selection


def _previewed(
    selected: Mapping[str, _Selection],
    encoded: Sequence[Mapping[str, Any]],
    pieces: Mapping[int, str],
    stops: Sequence[int],
) -> Iterator[PreviewedRow]:
    """Every selected row, in order, including those that LLaMA-Factory dropped."""
    found = {(row["dataset"], row["row"]): row for row in encoded}
    for name, one in selected.items():
        for number, example in one.rows:
            for suffix, says in _said(example):
                row = found.get((name + suffix, number))
                tokens = tuple(tokens_of(cast("PreviewRow", row), pieces, stops)) if row else ()
                yield PreviewedRow(one.where[number], name, tokens, dropped=row is None, says=says)


def _said(example: Example) -> tuple[tuple[str, str], ...]:
    """The conversations of a row: the suffix of its dataset's name in the proofs, and what it is."""
    if isinstance(example, list):
        return (("", ""),)
    if isinstance(example, Pair):
        return ("", BETTER), (REJECTED, WORSE)
    return (("", "document" if isinstance(example, Text) else tally_of(example)),)
