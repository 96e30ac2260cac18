"""Statistics of a data file or of a recipe's datasets: one pass; tokens from the train environment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.backends import llamafactory
from orchestrator.datasets.audit import SHOWN_OF_A_KIND
from orchestrator.datasets.base import excerpt
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.datasets.near_duplicates import NearDuplicates
from orchestrator.datasets.preferences import tally_lines
from orchestrator.datasets.repairs import masked
from orchestrator.datasets.split import first_question
from orchestrator.datasets.statistics import Statistics, tokens_json
from orchestrator.errors import UsageError
from orchestrator.execute.data.data_file import DataOptions, Progress, audited
from orchestrator.execute.data.encode_rows import Encoder, token_lengths

DUPLICATES = ("duplicate rows", "same question, spelled otherwise", "one question, several answers")


@dataclass(frozen=True, slots=True)
class StatisticsSource:
    """A file, and how it is read.

    Attributes:
        path: the file. shown: its name, for messages.
        options: how it is read.
        most: count the first so many rows; None for all.
    """

    path: Path
    shown: str
    options: DataOptions = field(default_factory=DataOptions)
    most: int | None = None

    @classmethod
    def of_entry(cls, entry: DatasetEntry, path: Path, most: int | None) -> StatisticsSource:
        """A dataset of a recipe."""
        return cls(path, entry.shown, DataOptions.of(entry), most)


@dataclass(frozen=True, slots=True)
class TokenCounting:
    """How tokens are counted.

    Attributes:
        encoder: the template and the tokenizer. tokenizer, template: their names.
        cutoff: the longest row that is trained whole; None if unknown.
    """

    encoder: Encoder
    tokenizer: str
    template: str
    cutoff: int | None = None


def template_only(template: str, tokenizer: Path, cutoff: int | None, hardware: str) -> TokenCounting:
    """Counting without a recipe."""
    settings = llamafactory.probe_yaml("rows", template, "on", "keep")
    return TokenCounting(Encoder(settings, tokenizer, hardware), str(tokenizer), template, cutoff)


def statistics(
    source: StatisticsSource, counting: TokenCounting | None, *, near: bool = False, say: Progress
) -> dict[str, object]:
    """All statistics of a file, as JSON values.

    Args:
        source: the file; only read.
        counting: how tokens are counted; None to count characters only.
        near: find nearly equal questions, too.
        say: called with the progress.

    Raises:
        MissingError: the file, the environment or a package is missing. UsageError: no format recognises the
        file, or no row can be read. StageFailed: the probe failed. Interrupted: a signal came.
    """
    found, alike = Statistics(), _Near(NearDuplicates()) if near else None
    rules = replace(source.options.rules, thorough=True)
    options = replace(source.options, rules=rules)
    with audited(source.path, options, shown=source.shown, most=source.most, progress=say) as file:
        audit = file.audit
        for number, example, _ in file.examples():
            found.see(example)
            if alike:
                alike.see(number, first_question(example), audit.where(number))
    if not audit.kept:
        raise UsageError(*audit.problems())
    warnings, fixed = audit.warnings.counts, audit.fixed.counts
    return {
        "file": source.shown,
        "format": file.format,
        "rows": audit.rows,
        "rows_whole": audit.kept,
        "answers": found.answers.total,
        "says": list(tally_lines(audit.tally)),
        "faults": audit.faults.to_json(),
        "warnings": audit.warnings.to_json(),
        "duplicates": {kind: warnings[kind] + fixed[kind] for kind in DUPLICATES},
        "near_duplicates": alike.to_json() if alike else None,
        "notes": list(file.notes),
        **found.to_json(),
        "tokens": _tokens(found, counting, say) if counting else None,
    }


def _tokens(found: Statistics, counting: TokenCounting, say: Progress) -> dict[str, object]:
    header, lengths = token_lengths(counting.encoder, found.sample.rows, say)
    return {
        "tokenizer": counting.tokenizer,
        "template": counting.template,
        "versions": header["versions"],
        **tokens_json(lengths, found.sample.total, counting.cutoff),
    }


@dataclass
class _Near:
    """Near-duplicates of first questions; the first ones are kept to be shown."""

    index: NearDuplicates
    first: list[dict[str, str]] = field(default_factory=list)
    where: dict[int, str] = field(default_factory=dict)

    def see(self, number: int, question: str, where: str) -> None:
        before = self.index.see(number, question)
        if len(self.first) < SHOWN_OF_A_KIND:
            self.where[number] = where
            if before is not None:
                shown = {"where": where, "like": self.where[before], "what": excerpt(masked(question))}
                self.first.append(shown)

    def to_json(self) -> dict[str, object]:
        return {"rows": self.index.found, "first": self.first}
