"""dataset_info/NAME.yaml: where the rows of a dataset are, and how they are read. Pure.

    format: alpaca                           # a name of FORMATS; if unset, the first row decides
    file: data/magic_conch.jsonl             # in dataset_info/; or
    hub: {id: owner/name, revision: main, file: train.jsonl, hub: huggingface}   # file: if it has several
    columns: {prompt: 问题, response: 答案}    # only those with other names in this file
    items: faq/item                          # XML: the path of a row; text: line, paragraph or file
    sheet: 问答                               # a workbook with several sheets: which one
    split: train                             # a saved dataset with several splits: which one
    fix: true                                # make the safe repairs, and report them
    drop_bad: true                           # drop rows that cannot be trained, and list them
    limits: 4                                # times the usual limits of reading, for a file that you trust
    paraphrases: data/magic_conch.paraphrases.jsonl
    licence: Apache-2.0
    source: who wrote it

All mistakes are reported at once, with their location; unknown keys are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.json_text import MOST_LIMITS
from orchestrator.errors import Problem, UsageError, did_you_mean
from orchestrator.hubs import DEFAULT, REMOTE
from orchestrator.recipe.document import RecipeSource, parse
from orchestrator.recipe.fields import NAME_PATTERN, NAME_WORDS
from orchestrator.recipe.tree import Node

FOLDER = "dataset_info"
SUFFIXES = (
    *(".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx", ".xls", ".ods", ".xml"),
    *(".parquet", ".arrow", ".feather", ".txt", ".md"),
    *(".gz", ".bz2", ".xz", ".zst", ".zip"),
)
TEXT_KEYS = ("format", "licence", "source", "paraphrases", "items", "sheet", "split")
SWITCHES = ("fix", "drop_bad")
KEYS = ("format", "file", "hub", "columns", *TEXT_KEYS[1:], *SWITCHES, "limits")
HUB_KEYS = ("id", "revision", "file", "split", "hub")
# Names that the prepared folder uses.
RESERVED = ("conch_generated", "conch_held_out", "conversations", "dataset_info", "prepare")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_EXAMPLE = "hub: {id: owner/name, file: train.jsonl}"


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """One dataset.

    Attributes:
        name: its name in recipes, and in LLaMA-Factory's dataset_info.json.
        format: a name of FORMATS; "" if the first row decides.
        file: relative to dataset_info/; "" if a hub has the rows.
        hub_id, hub_revision, hub_file, hub_split, hub: where on a hub; "" for a local file. Without a
            hub_file, the only data file of the repository, or of the split ("" for train).
        columns: the format's column → its name in this file; only those that differ.
        items, sheet, split: the part of the file with the rows (XML, a workbook, a saved dataset); "" if it
            has only one.
        fix: make the safe repairs. drop_bad: drop rows that cannot be trained; otherwise they stop the run.
        limits: what the limits on reading the file are multiplied by.
        paraphrases: the file of held-out questions, relative to dataset_info/; "" for none.
        sha256: of the data, once it has been read; "" before.
        read_as, first_row: the format of its first whole row and this row's number, once a file of JSON whose
            format is not named was looked at; "" and 0 before.
    """

    name: str
    format: str = ""
    file: str = ""
    hub_id: str = ""
    hub_revision: str = ""
    hub_file: str = ""
    hub_split: str = ""
    hub: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    items: str = ""
    sheet: str = ""
    split: str = ""
    fix: bool = False
    drop_bad: bool = False
    limits: int = 1
    paraphrases: str = ""
    licence: str = ""
    source: str = ""
    sha256: str = ""
    read_as: str = ""
    first_row: int = 0

    @property
    def path(self) -> str:
        """The data file, relative to the project; "" if a hub has it."""
        return f"{FOLDER}/{self.file}" if self.file else ""

    @property
    def shown(self) -> str:
        """The name of the data file, for messages."""
        return self.path or f"{self.hub_id}/{self.hub_file}"

    @property
    def paraphrases_path(self) -> str:
        """The held-out questions, relative to the project; "" for none."""
        return f"{FOLDER}/{self.paraphrases}" if self.paraphrases else ""


def read_entry(name: str, yaml_text: str) -> DatasetEntry:
    """Parse an entry.

    Raises:
        UsageError: with every mistake, as file:line:column.
    """
    file = f"{FOLDER}/{name}.yaml"
    document = parse(RecipeSource(file, yaml_text))
    problems = [*_name_problems(name, file), *document.problems]
    if document.root is None:
        raise UsageError(
            *(problems or [Problem("the file is empty", file, "see dataset_info/magic_conch.yaml")])
        )
    root = document.root
    problems += [*_unknown(root, KEYS, ""), *_location_problems(root), *_value_problems(root)]
    if problems:
        raise UsageError(*problems)
    plain = root.plain
    hub = plain.get("hub") or {}
    return DatasetEntry(
        name=name,
        format=plain.get("format") or "",
        file=plain.get("file") or "",
        columns=plain.get("columns") or {},
        items=plain.get("items") or "",
        sheet=plain.get("sheet") or "",
        split=plain.get("split") or "",
        fix=bool(plain.get("fix")),
        drop_bad=bool(plain.get("drop_bad")),
        limits=plain.get("limits") or 1,
        paraphrases=plain.get("paraphrases") or "",
        licence=plain.get("licence") or "",
        source=plain.get("source") or "",
        hub_id=hub.get("id", ""),
        hub_revision=hub.get("revision") or ("main" if hub else ""),
        hub_file=hub.get("file", ""),
        hub_split=hub.get("split", ""),
        hub=hub.get("hub") or (DEFAULT if hub else ""),
    )


def name_problem(name: str) -> str:
    """Why a text cannot name a dataset and its recipe; "" if it can."""
    if not re.fullmatch(NAME_PATTERN.removesuffix("$"), name):
        return f'"{name}" cannot name a dataset: it must be {NAME_WORDS}'
    return f'"{name}" is a name that Conch uses itself' if name in RESERVED else ""


def _name_problems(name: str, file: str) -> Iterator[Problem]:
    if wrong := name_problem(name):
        yield Problem(wrong, file, "rename the file")


def _unknown(node: Node, known: tuple[str, ...], section: str) -> Iterator[Problem]:
    for key, value in node.value.items():
        if key not in known:
            what = f'no key named "{section}{key}"{did_you_mean(key, known)}'
            yield Problem(what, value.key_where, f"keys: {', '.join(known)}")


def _location_problems(root: Node) -> Iterator[Problem]:
    """Mistakes in where the rows are."""
    file, hub = root.value.get("file"), root.value.get("hub")
    if (file is None) == (hub is None):
        what = "both `file:` and `hub:` are set; set one" if file else "set `file:` or `hub:`"
        yield Problem(what, root.where, "file: data/NAME.jsonl")
    if file is not None:
        # A name without a suffix is a folder of data files, or of save_to_disk.
        yield from _file_problems("file", file, (*SUFFIXES, ""))
    if hub is not None:
        yield from _hub_problems(hub)


def _hub_problems(hub: Node) -> Iterator[Problem]:
    if not isinstance(hub.value, dict):
        yield Problem("hub: must be a mapping", hub.where, _EXAMPLE)
        return
    yield from _unknown(hub, HUB_KEYS, "hub.")
    if "id" not in hub.value:
        yield Problem("hub.id: is missing", hub.where, _EXAMPLE)
    for key, node in hub.value.items():
        if key == "file":
            yield from _file_problems("hub.file", node)
        elif not isinstance(node.value, str) or not node.value:
            yield _must_be_text(f"hub.{key}", node)
        elif key == "id" and not _HUB_ID.fullmatch(node.value):
            yield Problem(f'hub.id: "{node.value}" is not owner/name', node.where, "id: owner/name")
        elif key == "hub" and node.value not in REMOTE:
            yield Problem(f'hub.hub: no hub named "{node.value}"', node.where, f"one of: {', '.join(REMOTE)}")


def _must_be_text(key: str, node: Node) -> Problem:
    return Problem(f"{key}: must be text", node.where, "put it in quotes")


def _file_problems(key: str, node: Node, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[Problem]:
    """A file must be a plain relative path with a known suffix."""
    if not isinstance(node.value, str) or not node.value:
        yield _must_be_text(key, node)
        return
    path = PurePosixPath(node.value)
    if path.is_absolute() or ".." in path.parts or re.search(r"[:\\]|^~", node.value):
        what = f"{key}: must be a path inside {FOLDER}/, got {node.value}"
        yield Problem(what, node.where, f"put the file into {FOLDER}/data")
    elif path.suffix.lower() not in suffixes:
        suffix, known = path.suffix or "a file without a suffix", ", ".join(filter(None, suffixes))
        yield Problem(f"{key}: cannot read {suffix}", node.where, f"supported: {known}")


def _value_problems(root: Node) -> Iterator[Problem]:
    for key in TEXT_KEYS:
        node = root.value.get(key)
        if node is not None and not isinstance(node.value, str):
            yield _must_be_text(key, node)
    for key in SWITCHES:
        node = root.value.get(key)
        if node is not None and not isinstance(node.value, bool):
            yield Problem(f"{key}: must be true or false", node.where, f"{key}: true")
    limits = root.value.get("limits")
    if limits is not None and not (type(limits.value) is int and 1 <= limits.value <= MOST_LIMITS):
        yield Problem(f"limits: must be a number from 1 to {MOST_LIMITS}", limits.where, "limits: 4")
    paraphrases = root.value.get("paraphrases")
    if paraphrases is not None and isinstance(paraphrases.value, str):
        yield from _file_problems("paraphrases", paraphrases, (".jsonl", ".json"))
    node = root.value.get("format")
    known = node is None or node.value in FORMATS
    if node is not None and isinstance(node.value, str) and not known:
        what = f'format: no format named "{node.value}"{did_you_mean(node.value, FORMATS)}'
        yield Problem(what, node.where, f"formats: {', '.join(FORMATS)}")
    columns = root.value.get("columns")
    if columns is not None:
        yield from _column_problems(columns, node.value if node is not None and known else "")


def _column_problems(columns: Node, format_name: str) -> Iterator[Problem]:
    if not isinstance(columns.value, dict):
        yield Problem("columns: must be a mapping", columns.where, "columns: {prompt: question}")
        return
    if not format_name:
        yield Problem("columns: need a `format:` that defines them", columns.where, "format: alpaca")
        return
    yield from _unknown(columns, tuple(FORMATS[format_name].columns), "columns.")
    for key, node in columns.value.items():
        if not isinstance(node.value, str) or not node.value:
            yield _must_be_text(f"columns.{key}", node)
