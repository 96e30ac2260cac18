"""Finds mistakes in a user's own dataset_info.json that LLaMA-Factory 0.9.5 does not report. Pure.

From its data/parser.py and data/loader.py (https://github.com/hiyouga/LLaMA-Factory/tree/v0.9.5/src/llamafactory/data)
and tried with its get_dataset: an unknown key is ignored, a partial `columns` or `tags` resets what it
does not name, `openai` adds its own system prompt to every row, a hub's address takes precedence over a file.
Columns and tags: dataset_columns.py. Not covered: what is wrong with the rows (datasets/faults.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Protocol

from orchestrator.backends.dataset_columns import Listed, Note, column_problems, role_places, tag_problems
from orchestrator.datasets.json_places import read_json
from orchestrator.errors import Problem, did_you_mean, nearest
from orchestrator.recipe.tree import Node

NAME = "dataset_info.json"
HUB_KEYS = ("hf_hub_url", "ms_hub_url", "om_hub_url")
PLACES = (*HUB_KEYS, "script_url", "cloud_file_name", "file_name")
KEYS = (*PLACES, "formatting", "ranking", "subset", "split", "folder", "num_samples", "columns", "tags")
FORMATS = ("alpaca", "sharegpt", "openai")
# Extension → how the file is read (extras/constants.py); the case counts.
TYPES = {"arrow": "arrow", "csv": "csv", "json": "json", "jsonl": "json", "parquet": "parquet", "txt": "text"}


_SHAPE = '{"NAME": {"file_name": "NAME.jsonl"}}'


class Look(Protocol):
    """Finds what a `file_name` names, relative to the folder of its dataset_info.json."""

    def __call__(self, file_name: str, /, *, count: bool, roles: tuple[str, str] | None) -> Listed | None:
        """The file or folder, None if it does not exist.

        With `count`, with its number of rows; with `roles` (role_places), with the roles of its messages.
        """


def is_dataset_info(root: Node) -> bool:
    """Whether a JSON object lists datasets: each of its values has the location of rows."""
    entries = root.value.values() if isinstance(root.value, dict) else ()
    return bool(entries) and all(
        isinstance(entry.value, dict) and any(key in entry.value for key in PLACES) for entry in entries
    )


def lint(text: str, file: str, look: Look, stage: str = "") -> list[Problem]:
    """All mistakes and notes in the order of the file, each with line and column.

    `look` describes what each `file_name` names, `stage` is LLaMA-Factory's, "" if unknown. UsageError if the
    text is not JSON.
    """
    root, problems = read_json(text, file)
    if not isinstance(root.value, dict):
        what = "is not a JSON object: LLaMA-Factory finds datasets by name"
        return [Problem(what, root.where, _SHAPE)]
    if not root.value:
        problems.append(Problem("lists no dataset", root.where, _SHAPE))
    for name, entry in root.value.items():
        problems += _entry_problems(name, entry, look, stage)
    return sorted(problems, key=lambda problem: _place(problem.where))


def _place(where: str) -> tuple[int, int]:
    _, line, column = where.rsplit(":", 2)
    return int(line), int(column)


def _entry_problems(name: str, entry: Node, look: Look, stage: str) -> Iterator[Problem]:
    if not isinstance(entry.value, dict):
        yield Problem(f"{name}: must be an object", entry.where, f'"{name}": {{"file_name": "{name}.jsonl"}}')
        return
    yield from _unknown(entry)
    yield from _format_problems(entry)
    yield from _ranking_problems(entry, stage)
    file_name = entry.value.get("file_name")
    listed = None
    if not any(key in entry.value for key in PLACES):
        what = f"{name}: has no location of its rows: LLaMA-Factory fails with KeyError: 'file_name'"
        yield Problem(what, entry.key_where, f'"file_name": "{name}.jsonl"')
    if file_name is not None:
        yield from _overruled(entry, file_name)
        yield from _path_problems(file_name)
        if isinstance(file_name.value, str):
            listed = look(file_name.value, count="num_samples" in entry.value, roles=role_places(entry))
            yield from _listing_problems(file_name, listed)
        yield from _local_problems(entry)
    yield from _script_problems(entry)
    yield from _sample_problems(entry, listed)
    if any(nearest(key, KEYS) for key in entry.value if key not in KEYS):
        listed = None  # a misspelled key: do not compare the data with what is written
    yield from column_problems(entry, listed, stage)
    yield from tag_problems(entry, listed)


def _unknown(entry: Node) -> Iterator[Problem]:
    for key, value in entry.value.items():
        if key not in KEYS:
            what = f'no key "{key}"{did_you_mean(key, KEYS)}: LLaMA-Factory ignores it without a warning'
            yield Problem(what, value.key_where, f"keys: {', '.join(KEYS)}")


def _format_problems(entry: Node) -> Iterator[Problem]:
    node = entry.value.get("formatting")
    if node is None or node.value in FORMATS[:2]:
        return
    if node.value == "openai":
        what = "formatting openai adds its own system prompt (“detailed thinking off”) to every row"
        yield Problem(what, node.where, '"formatting": "sharegpt", with the tags "role" and "content"')
        return
    meant = node.value.lower() if isinstance(node.value, str) and node.value.lower() in FORMATS else ""
    near = meant or nearest(str(node.value), FORMATS)
    suggestion = f'; did you mean "{near}"?' if near else ""
    yield Problem(
        f"formatting: no format {node.text}{suggestion} (case-sensitive)",
        node.where,
        '"alpaca" or "sharegpt"',
    )


def _ranking_problems(entry: Node, stage: str) -> Iterator[Problem]:
    node = entry.value.get("ranking")
    ranking = node is not None and node.value is True
    if node is not None and not isinstance(node.value, bool):
        yield Problem(
            f"ranking: must be true or false, got {node.text or 'a list'}", node.where, '"ranking": true'
        )
        return
    if stage in {"rm", "dpo"} and not ranking:
        what = f"stage {stage} needs ranking: true (“The dataset is not applicable in the current … stage”)"
        yield Problem(what, (node or entry).key_where, '"ranking": true')
    elif stage and stage not in {"rm", "dpo"} and node is not None and ranking:
        what = f"ranking: true is for the stages rm and dpo, not for {stage}"
        hint = 'delete "ranking"' + ("; KTO's label is columns.kto_tag" if stage == "kto" else "")
        yield Problem(what, node.key_where, hint)


def _overruled(entry: Node, file_name: Node) -> Iterator[Problem]:
    before = [key for key in PLACES[:-1] if key in entry.value]
    if before:
        what = f"file_name is ignored: {before[0]} takes precedence"
        yield Problem(what, file_name.key_where, f'delete "{before[0]}", or "file_name"')


def _path_problems(node: Node) -> Iterator[Problem]:
    if not isinstance(node.value, str) or not node.value:
        yield Problem("file_name: must be the name of one file or folder", node.where, '"a.jsonl"')
    elif node.value.startswith("~") or any(char in node.value for char in "*?"):
        what = f"file_name: ~ and * are not expanded: {node.value}"
        yield Problem(what, node.where, "name the file, or a folder with only data files")


def _listing_problems(node: Node, listed: Listed | None) -> Iterator[Problem]:
    """Mistakes in the file or folder itself."""
    if listed is None:
        yield Problem(
            f"file_name does not exist: {node.value}", node.where, "paths are relative to this file's folder"
        )
        return
    if not listed.folder:
        yield from _type_problem(node, node.value)
        if listed.unread:
            what = f"the rows of {node.value} were not compared with this entry: {listed.unread}"
            yield Note(what, node.where, "conch data audit FILE lists what is wrong with them")
        return
    if not listed.entries:
        yield Problem(
            f"file_name: the folder {node.value} is empty", node.where, "add data files of one type"
        )
        return
    types = {name: TYPES.get(_suffix(name), "") for name in listed.entries if not name.endswith("/")}
    strange = sorted(
        name for name in listed.entries if name.endswith("/") or name.startswith(".") or not types.get(name)
    )
    if strange:
        what = f"the folder {node.value} contains other files than data: {', '.join(strange[:5])}"
        yield Problem(
            f"{what}: “File types should be identical.”",
            node.where,
            "move them out of the folder, hidden files too",
        )
    elif len(set(types.values())) > 1:
        kinds = ", ".join(sorted({_suffix(name) for name in types}))
        what = f"the folder {node.value} holds {kinds}: “File types should be identical.”"
        yield Problem(what, node.where, "use one folder per type")


def _type_problem(node: Node, name: str) -> Iterator[Problem]:
    suffix = _suffix(name)
    if suffix not in TYPES:
        lower = " (case-sensitive)" if suffix.lower() in TYPES else ""
        what = f"file_name: LLaMA-Factory does not read .{suffix}{lower}: {name}"
        yield Problem(what, node.where, "conch data convert FILE --to sharegpt --out FILE.jsonl")


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix[1:]


def _local_problems(entry: Node) -> Iterator[Problem]:
    """Keys that apply only to a hub's dataset."""
    if any(key in entry.value for key in PLACES[:-1]):
        return
    for key in ("subset", "folder"):
        node = entry.value.get(key)
        if node is not None and node.value is not None:
            yield Problem(f"{key} is ignored for a file", node.key_where, f'delete "{key}"')
    split = entry.value.get("split")
    if split is not None and not (isinstance(split.value, str) and split.value.split("[")[0] == "train"):
        what = f"split: a file has only the split train, not {split.text}"
        yield Problem(what, split.where, "delete it, and name the file of the split")


def _script_problems(entry: Node) -> Iterator[Problem]:
    node = entry.value.get("script_url")
    if node is not None and isinstance(node.value, str) and node.value.endswith(".py"):
        what = "script_url: datasets 4 no longer runs scripts"
        yield Problem(what, node.where, "download the rows, and set file_name")


def _sample_problems(entry: Node, listed: Listed | None) -> Iterator[Problem]:
    node = entry.value.get("num_samples")
    if node is None or node.value is None:
        return
    if not isinstance(node.value, int) or isinstance(node.value, bool) or node.value < 1:
        yield Problem(
            f"num_samples: must be a whole number above 0, got {node.text or 'a list'}",
            node.where,
            "delete it",
        )
    elif listed is not None and listed.rows is not None and node.value > listed.rows:
        what = f"num_samples: {node.value} of {listed.rows} rows: LLaMA-Factory repeats rows to fill it"
        yield Problem(what, node.where, f"at most {listed.rows}")
