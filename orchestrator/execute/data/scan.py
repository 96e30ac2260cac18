"""Reads every row of a data file without writing: for `conch data audit`, and before `conch data add`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.datasets.preferences import one_sided
from orchestrator.datasets.split import TRAIN, Groups, SplitSpec, first_question, group_of
from orchestrator.datasets.trained_cases import CaseSampler, TrainedCase
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import AuditedFile, DataOptions, Progress, audited
from orchestrator.execute.data.lint_dataset_info import names_data_sets

SHOWN = 3


def audit_file(path: Path, options: DataOptions, progress: Progress | None = None) -> AuditedFile:
    """Read every row as `prepare` does, with the slow checks as well.

    Raises:
        ConchError: as audited().
    """
    rules = replace(options.rules, thorough=True)
    with audited(path, replace(options, rules=rules), progress=progress) as file:
        for _ in file.examples():
            pass
        file.hash()
        return file


def audit_json(file: AuditedFile) -> dict[str, object]:
    """The `data` of `conch data audit --json`."""
    audit = file.audit
    found = {"faults": audit.faults.to_json(), "warnings": audit.warnings.to_json()}
    return {**file.to_json(), **found, "sha256": file.sha256}


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The rows of a file that can be trained.

    Attributes:
        file: its format and the counts.
        columns: the columns whose name is not the usual one, and that of tools if rows declare some.
        cases: what the tuned model can be asked.
        tokens: of all rows, estimated.
    """

    file: AuditedFile
    columns: Mapping[str, str]
    cases: tuple[TrainedCase, ...]
    tokens: int

    def to_json(self) -> dict[str, object]:
        """The scan in `conch data add --json`."""
        own = {"columns": dict(self.columns), "sha256": self.file.sha256, "cases": len(self.cases)}
        return {**self.file.to_json(), **own}


@dataclass(frozen=True, slots=True)
class TrainedPart:
    """Which rows a recipe trains: at most so many, and of a split the training part. Others are not asked."""

    most: int | None = None
    split: SplitSpec | None = None


def scan(
    path: Path,
    shown: str,
    options: DataOptions,
    progress: Progress | None = None,
    trained: TrainedPart = TrainedPart(),
) -> ScanResult:
    """Read every row as a run would.

    Raises:
        UsageError: rows cannot be trained, and the options do not say what to do about them; or they contain
            images or audio; or every answer is liked, or disliked.
        ConchError: as audited().
    """
    if names_data_sets(path):
        hint = "add one of its files; `conch data audit` checks the list"
        raise UsageError(Problem("this is a list of datasets, not a dataset", shown, hint))
    with audited(path, options, shown=shown, progress=progress) as file:
        sampler, audit = CaseSampler(trained.most), file.audit
        groups = Groups()
        for _, example, _ in file.examples():
            sampler.see(example)
            if trained.split:
                groups.add(first_question(example))
        problems = audit.problems(fix="--fix", drop="--drop-bad")
        if problems := problems or one_sided(audit.tally, audit.where(audit.first)):
            raise UsageError(*problems)
        file.hash()
    usual = audit.format.columns.items()
    # A named column is written down even if usual: it may exclude another candidate.
    columns = {part: column for part, column in audit.columns.items() if (part, column) not in usual}
    if audit.declares:
        columns["tools"] = audit.columns["tools"]
    cases = sampler.cases(_in_training(groups, trained.split, shown))
    return ScanResult(file, {**columns, **options.columns}, cases, sampler.tokens)


def _in_training(groups: Groups, split: SplitSpec | None, shown: str) -> Callable[[str], bool]:
    """Whether a question is in the training part."""
    if split is None:
        return lambda _: True
    parts = groups.parts(split, shown)
    return lambda question: parts[group_of(question)] == TRAIN
