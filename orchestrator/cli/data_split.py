"""`conch data split`: a file as training, validation and test sets that share no question."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.data_options import file_argument, manner_of, reading_options, repair_options
from orchestrator.cli.verb import Outcome, progress, verb

if TYPE_CHECKING:
    from orchestrator.execute.data.split import Split


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
    help="train, test and validation, by weight.",
)
@click.option(
    "--out-dir", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where the parts go."
)
@click.option(
    "--seed", type=click.IntRange(0), default=42, show_default=True, help="Another one splits otherwise."
)
@click.option("--stratify", default="", metavar="COLUMN", help="Every part holds its values in like shares.")
@click.option("--near-duplicates", is_flag=True, help="Keep rows that ask nearly the same together, too.")
@click.option("--force", is_flag=True, help="Replace the files that are there.")
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
    **manner: Any,
) -> Outcome:
    """Split a data file into files for LLaMA-Factory that share no question.

    Rows whose first questions are the same but for case, width, white space and punctuation stay together.
    The same file, weights and seed give the same parts. Strict unless told otherwise: when a row would be
    dropped or trained wrongly, nothing is written.
    """
    from orchestrator.datasets.split import SplitWish
    from orchestrator.execute.data.split import SplitOptions, split

    wish = SplitOptions(
        folder=out_dir,
        split=SplitWish(_weights(parts), seed, stratify, near_duplicates),
        force=force,
        manner=manner_of(**manner),
    )
    made = split(file, wish, progress)
    text = "\n".join(f"{name:<13} {said}" for name, said in _lines(made, out_dir))
    return Outcome(made.to_json(), text, exit_code=2 if made.problems else 0, problems=made.problems)


def _weights(parts: str) -> Mapping[str, float]:
    """PART=WEIGHT words as numbers above 0.

    Raises:
        click.UsageError: a part is unknown or twice, a weight is none, or there are fewer than two.
    """
    from orchestrator.datasets.split import PARTS, TRAIN

    weights: dict[str, float] = {}
    for word in parts.split(","):
        part, _, said = word.strip().partition("=")
        try:
            weight = float(said)
        except ValueError:
            weight = math.nan
        if part not in PARTS or part in weights or not 0 < weight < math.inf:
            raise click.UsageError(
                f"--parts {word}: must be one of {', '.join(PARTS)}, once, and a number above 0"
            )
        weights[part] = weight
    if TRAIN not in weights or len(weights) == 1:
        raise click.UsageError("--parts: train and another part are wanted, e.g. train=8,test=2")
    return weights


def _lines(made: Split, folder: Path) -> Iterator[tuple[str, str]]:
    audit = made.audit
    yield "read as", made.format
    for note in made.notes:
        yield "note", note
    yield "rows", f"{audit.rows} read, {audit.kept} kept"
    for kind, count in audit.fixed.counts.most_common():
        yield "repaired", f"{kind}: {count}"
    for kind, count in audit.warnings.most_common():
        yield "warning", f"{kind}: {count}"
    for part in made.parts:
        yield part["part"], f"{part['rows']} rows ({part['rows'] / audit.kept:.1%}) in {part['file']}"
    if made.ledger:
        yield "ledger", str(made.ledger)
    if not made.problems:
        yield "entries", str(folder / "dataset_info.json")
