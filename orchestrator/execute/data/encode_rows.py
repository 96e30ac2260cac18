"""Encodes rows with LLaMA-Factory's own encoder, in a temporary folder: to look at them, not to train.

The folder is laid out like a run: train.yaml, inputs/base, data/. Nothing is written outside it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import yaml

from orchestrator.backends import llamafactory
from orchestrator.datasets.base import SFT, TOOLS, Conversation, Example
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.datasets.targets import (
    conversations_in,
    dataset_info_text,
    entry_of,
    sharegpt_line,
    sharegpt_row,
    with_tools_key,
)
from orchestrator.errors import ConchError, MissingError, Problem, StageFailed
from orchestrator.execute.data.data_file import Progress
from orchestrator.execute.environments import registry
from orchestrator.execute.host import signals
from orchestrator.execute.launchers.commands import ParallelCommand
from orchestrator.execute.models.fetch import find_base
from orchestrator.execute.models.fix_tokenizer import link_corrected
from orchestrator.execute.models.hub import fetch_dataset_file
from orchestrator.execute.processes import process_tree, watchdog
from orchestrator.execute.processes.child_environment import PROBES
from orchestrator.execute.processes.diagnosis import read_ends
from orchestrator.execute.runner.base_recipe import exported
from orchestrator.hubs.recipe import LINK
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Command, Runtime

NumberedExample = tuple[int, Example]
OUT, ROWS = "encoded.jsonl", "rows.jsonl"


@dataclass(frozen=True, slots=True)
class Encoder:
    """What turns rows into tokens.

    Attributes:
        train_yaml: LLaMA-Factory's settings; they name the place of the base below the run's folder.
        base: the folder with the tokenizer.
        hardware: whose train environment is used.
        corrected: whether tokenizer_config.json is corrected for all versions (model.tokenizer: corrected).
    """

    train_yaml: str
    base: Path
    hardware: str
    corrected: bool = False


def base_of(job: Job, project: Path, say: Progress) -> Path:
    """The folder of a job's base model, downloaded if necessary.

    Of a recipe that is built on others, the first export that exists, or the base below them all: rows are
    only looked at, and training does not change the tokenizer.

    Raises:
        ConchError: as `conch pull`.
    """
    for dependency in job.dependencies:
        if dependency.link == LINK:
            try:
                return exported(dependency, job, project)
            except MissingError:
                return base_of(dependency.job, project, say)
    model = job.recipe.model
    base = job.base_folder.replace("{project}", str(project)) or model.base
    return find_base(base, model.hub, model.revision, say, hardware=job.hardware)[0]


def encoder_of(job: Job, base: Path) -> Encoder:
    """The encoder of a job's training, with the tokenizer in a folder."""
    corrected = job.recipe.model.tokenizer == "corrected"
    return Encoder(llamafactory.train_yaml(job), base, job.hardware, corrected)


def file_of(entry: DatasetEntry, job: Job, project: Path) -> Path:
    """The file of a dataset, downloaded if necessary.

    Raises:
        ConchError: as `conch pull`.
    """
    if not entry.hub_id:
        return project / entry.path
    location = entry.hub_id, entry.hub_file, entry.hub_revision, entry.hub
    return fetch_dataset_file(*location, lambda _: None, hardware=job.hardware)


def encode(
    encoder: Encoder, purpose: str, datasets: Mapping[str, Sequence[NumberedExample]], say: Progress
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[int, str]]:
    """(header, rows, pieces) as probes/preview_ids.py writes them.

    Args:
        encoder: what turns rows into tokens.
        purpose: of the rows.
        datasets: name → its numbered rows.
        say: called with messages about slow steps.

    Raises:
        UsageError: the tokenizer is broken, or the probe refuses a row. MissingError: the environment or the
        tokenizer is missing. StageFailed: the probe failed. Interrupted: a signal came.
    """

    def lay_out(folder: Path) -> None:
        tools = purpose == SFT and any(
            isinstance(one, list) and one[0]["role"] == TOOLS for rows in datasets.values() for _, one in rows
        )
        line_of = (lambda one: with_tools_key(sharegpt_line(one))) if tools else sharegpt_line
        entries = {name: entry_of(f"{name}.jsonl", "sharegpt", purpose, tools=tools) for name in datasets}
        (folder / "data/dataset_info.json").write_text(dataset_info_text(entries), encoding="utf-8")
        with (folder / "data/conversations.jsonl").open("wb") as together:
            for name, rows in datasets.items():
                with (folder / f"data/{name}.jsonl").open("wb") as alone:
                    for number, example in rows:
                        alone.write(line_of(example))
                        for suffix, said in conversations_in(sharegpt_row(example)):
                            row = {"dataset": name + suffix, "row": number, "messages": said}
                            together.write(orjson.dumps(row) + b"\n")

    with _probed(encoder, "preview_ids.py", (), lay_out, say) as out:
        header, *rows, last = map(orjson.loads, out.read_bytes().splitlines())
    return header, rows, {int(token): text for token, text in last["pieces"].items()}


def token_lengths(
    encoder: Encoder, conversations: Iterable[Conversation], say: Progress
) -> tuple[dict[str, Any], list[list[int] | None]]:
    """(header, lengths of each conversation's questions and answers) as probes/token_lengths.py writes them.

    Raises:
        ConchError: as encode().
    """

    def lay_out(folder: Path) -> None:
        with (folder / ROWS).open("wb") as out:
            out.writelines(orjson.dumps({"messages": one}) + b"\n" for one in conversations)

    with _probed(encoder, "token_lengths.py", ("--rows", ROWS), lay_out, say) as out:
        header, *lengths = map(orjson.loads, out.read_bytes().splitlines())
    return header, lengths


@contextmanager
def _probed(
    encoder: Encoder, script: str, words: Sequence[str], lay_out: Callable[[Path], None], say: Progress
) -> Iterator[Path]:
    """Run a probe of the train environment; yield its output file, which is deleted afterwards."""
    environment = registry.require("train", encoder.hardware)
    with signals.catch_signals(), tempfile.TemporaryDirectory(prefix="conch-encode-") as scratch:
        folder = Path(scratch)
        (folder / "data").mkdir()
        (folder / "inputs").mkdir()
        (folder / "train.yaml").write_text(encoder.train_yaml, encoding="utf-8")
        _link_base(encoder, folder / yaml.safe_load(encoder.train_yaml)["model_name_or_path"])
        lay_out(folder)
        say("Encoding the rows with LLaMA-Factory in the train environment; it takes some seconds to start.")
        try:
            _run(script, words, environment, folder)
        except ConchError as error:
            error.problems = tuple(_with_lasting_log(problem, folder) for problem in error.problems)
            raise
        if not (folder / OUT).is_file():
            raise StageFailed(Problem("the probe succeeded but wrote nothing", script))
        yield folder / OUT


def _link_base(encoder: Encoder, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if encoder.corrected:
        link_corrected(encoder.base, target, lambda path, link: link.symlink_to(path))
    else:
        target.symlink_to(encoder.base.resolve(), target_is_directory=True)


def _run(script: str, words: Sequence[str], environment: Path, folder: Path) -> None:
    argv = ("{train}/bin/python", f"{{probes}}/{script}", "train.yaml", *words, "--out", OUT)
    symbols = {"train": str(environment), "probes": str(PROBES), "conch": sys.prefix}
    run_tag = process_tree.new_run_tag(folder, folder)
    with watchdog.guarded(run_tag):
        one = ParallelCommand.start(
            Command(argv=argv, runtime=Runtime.TRAIN),
            symbols=symbols,
            cwd=folder,
            run_tag=run_tag,
            log=folder / "train.log",
        )
        try:
            one.finish()
        finally:
            one.stop()


def _with_lasting_log(problem: Problem, folder: Path) -> Problem:
    """The problem, with a copy of its log that outlives the folder."""
    path = Path(problem.where)
    if not path.is_relative_to(folder) or path.suffix != ".log":
        return problem
    with tempfile.NamedTemporaryFile(
        "w", prefix="conch-encode-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(read_ends(path))
    return replace(problem, where=log.name)
