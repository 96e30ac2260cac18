"""`conch data split`: a file as training, validation and test sets that share no question."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from orchestrator.cli.data_options import (
    DataArguments,
    Lines,
    as_text,
    count_lines,
    data_options,
    file_argument,
    format_lines,
    reading_options,
    repair_options,
)
from orchestrator.cli.verb import Outcome, progress, verb

if TYPE_CHECKING:
    from orchestrator.execute.data.split import SplitResult


@verb(
    example="conch data split huatuo.jsonl --parts train=7,test=2,validation=1 --out-dir huatuo_parts\n"
    "conch data split faq.xlsx --parts train=9,test=1 --stratify 科室 --out-dir faq_parts"
)
@file_argument
@click.option(
    "--parts",
    default="train=7,test=2,validation=1",
    show_default=True,
    metavar="PART=WEIGHT,…",
    help="The weights of train, test and validation.",
)
@click.option(
    "--out-dir",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder of the parts.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=42, show_default=True, help="Random seed for the split."
)
@click.option(
    "--stratify",
    default="",
    metavar="COLUMN",
    help="Keep the shares of this column's values equal in every part.",
)
@click.option("--near-duplicates", is_flag=True, help="Keep rows with nearly equal questions together, too.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@repair_options
@reading_options
def command(
    *,
    file: Path,
    parts: str,
    out_dir: Path,
    seed: int,
    stratify: str,
    near_duplicates: bool,
    force: bool,
    **data: Unpack[DataArguments],
) -> Outcome:
    """Split a data file into files for LLaMA-Factory that share no question.

    Keeps rows together whose first questions are equal except for case, width, white space and punctuation.
    The same file, weights and seed give the same parts. Strict by default: if a row would be dropped or
    trained incorrectly, writes nothing.
    """
    from orchestrator.datasets.split import SplitSpec
    from orchestrator.execute.data.split import SplitOptions, split

    spec = SplitSpec(_weights(parts), seed, stratify, near_duplicates)
    made = split(file, SplitOptions(out_dir, spec, force=force, data=data_options(**data)), progress)
    return Outcome(made.to_json(), as_text(_lines(made, out_dir)), 2 if made.problems else 0, made.problems)


def _weights(parts: str) -> Mapping[str, float]:
    """PART=WEIGHT words as numbers above 0.

    Raises:
        click.UsageError: a part is unknown or repeated, a weight is invalid, or there are fewer than two.
    """
    from orchestrator.datasets.split import PARTS, TRAIN

    weights: dict[str, float] = {}
    for word in parts.split(","):
        part, _, number = word.strip().partition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if part not in PARTS or part in weights or not 0 < weight < math.inf:
            raise click.UsageError(
                f"--parts {word}: must be one of {', '.join(PARTS)}, once, with a number above 0"
            )
        weights[part] = weight
    if TRAIN not in weights or len(weights) == 1:
        raise click.UsageError("--parts: needs train and another part, e.g. train=8,test=2")
    return weights


def _lines(made: SplitResult, folder: Path) -> Lines:
    audit = made.file.audit
    yield from format_lines(made.file)
    yield "rows", f"{audit.rows} read, {audit.kept} kept"
    yield from count_lines(audit)
    for part in made.parts:
        yield part.part, f"{part.rows} rows ({part.rows / audit.kept:.1%}) in {part.file}"
    if made.rejects:
        yield "dropped in", made.rejects
    if not made.problems:
        yield "entries", folder / "dataset_info.json"
