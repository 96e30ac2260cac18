"""`columns` and `tags` of an entry in dataset_info.json: what LLaMA-Factory 0.9.5 does with them. Pure.

Giving `columns` or `tags` resets every one that is not named to None (data/parser.py, DatasetAttr.join): text
that nobody names is not trained, a role that nobody names drops its rows. Where the first row of the data is
known, its own columns and roles are compared with what the entry says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.datasets.targets import TAGS
from orchestrator.errors import Problem, did_you_mean
from orchestrator.recipe.tree import Node

DEFAULT_COLUMNS = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "messages": "conversations",
}
COLUMNS = (
    *("prompt", "query", "response", "history", "messages", "system", "tools"),
    *("images", "videos", "audios", "chosen", "rejected", "kto_tag"),
)
DEFAULT_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
# What a column is usually called, where leaving it unnamed loses its text without a word.
LOST = {"query": "input", "history": "history", "system": "system", "tools": "tools"}


@dataclass(frozen=True, slots=True)
class Listed:
    """What a `file_name` names.

    Attributes:
        folder: whether it is one; entries: the names in it, those of sub-folders ending in "/".
        first: its first row; None when it cannot be read.
        rows: how many it has; None when they were not counted.
    """

    folder: bool = False
    entries: tuple[str, ...] = ()
    first: Mapping[str, Any] | None = field(default=None)
    rows: int | None = None


def column_problems(entry: Node, listed: Listed | None, stage: str) -> Iterator[Problem]:
    """What is wrong with an entry's columns."""
    node = entry.value.get("columns")
    if node is not None and not isinstance(node.value, dict):
        hint = 'delete it, or "columns": {"prompt": "instruction", …}'
        yield Problem("columns: must be an object", node.where, hint)
        return
    named = {} if node is None else {key: one.value for key, one in node.value.items() if one.value}
    if node is not None:
        yield from _misnamed(node, COLUMNS, "columns")
        yield from _unfit(entry, node, named, stage)
    elif _is_ranking(entry):
        hint = 'columns: prompt (or messages), query, "chosen": "chosen", "rejected": "rejected"'
        yield Problem("ranking: true needs columns that name chosen and rejected", entry.key_where, hint)
        return
    meant = DEFAULT_COLUMNS if node is None else named
    if listed is not None and listed.first is not None:
        yield from _against_row(entry, node, meant, listed.first)


def _misnamed(node: Node, known: tuple[str, ...], section: str) -> Iterator[Problem]:
    """Keys that there are not, and values that are no names."""
    for key, value in node.value.items():
        if key not in known:
            meant = did_you_mean(key, known)
            what = f'no key "{section}.{key}"{meant}: LLaMA-Factory passes it over in silence'
            yield Problem(what, value.key_where, f"keys: {', '.join(known)}")
        elif value.value is not None and (not isinstance(value.value, str) or not value.value):
            yield Problem(f"{section}.{key}: must be a name, in quotes", value.where, f'"{key}": "…"')


def _unfit(entry: Node, node: Node, named: Mapping[str, Any], stage: str) -> Iterator[Problem]:
    """Columns that do not fit the format or the purpose, all of which end in an error or in no rows."""
    if _is_sharegpt(entry):
        needed = ["messages"]
    elif "messages" in named:
        what = "columns.messages is read by the format sharegpt alone, and this entry is alpaca"
        yield Problem(what, node.value["messages"].key_where, '"formatting": "sharegpt"')
        return
    else:
        needed = ["prompt"] if _is_pretraining(node, stage) else ["prompt", "response"]
    pair = [key for key in ("chosen", "rejected") if key in named]
    if _is_ranking(entry):
        needed = [key for key in needed if key != "response"] + ["chosen", "rejected"]
    elif pair and stage not in {"rm", "dpo"}:  # for these ranking itself is missing, and said
        what = f"columns.{pair[0]} is read only with ranking: true"
        yield Problem(what, node.value[pair[0]].key_where, '"ranking": true')
        needed = [key for key in needed if key != "response"]
    if missing := [key for key in needed if key not in named]:
        what = f"columns names no {' and no '.join(missing)}: what it does not name is reset to nothing"
        hint = ", ".join(f'"{key}": "{DEFAULT_COLUMNS.get(key, key)}"' for key in missing)
        yield Problem(what, node.key_where, hint)
    if "kto_tag" in named and (_is_ranking(entry) or stage not in {"", "kto"}):
        what = "columns.kto_tag drops every row of any stage but kto"
        yield Problem(what, node.value["kto_tag"].key_where, "delete it")


def _against_row(
    entry: Node, node: Node | None, meant: Mapping[str, Any], first: Mapping[str, Any]
) -> Iterator[Problem]:
    """Columns that the data lacks, and text of the data that nobody names."""
    read = ("messages",) if _is_sharegpt(entry) else ("prompt", "query", "response")
    wanted = read if node is None else tuple(meant)
    here = f"its columns: {', '.join(list(first)[:8])}"
    for key in wanted:
        name = meant[key]
        if isinstance(name, str) and name not in first:
            place = entry.key_where if node is None else node.value[key].where
            given = "without `columns`, " if node is None else ""
            yield Problem(f'{given}columns.{key} is "{name}", which the data lacks: KeyError', place, here)
    for key, usual in LOST.items():
        if key == "query" and _is_sharegpt(entry):
            continue
        if key not in meant and first.get(usual) and usual not in meant.values():
            what = f'the data has "{usual}", and nothing names it: it is not trained'
            where = entry.key_where if node is None else node.key_where
            hint = f'"{key}": "{usual}" in columns, and every other column with it'
            yield Problem(what, where, hint)


def tag_problems(entry: Node, listed: Listed | None) -> Iterator[Problem]:
    """What is wrong with an entry's tags."""
    node = entry.value.get("tags")
    if node is not None and not isinstance(node.value, dict):
        yield Problem("tags: must be an object", node.where, f"all seven: {', '.join(TAGS)}")
        return
    if node is not None and not _is_sharegpt(entry):
        what = "tags are read by the format sharegpt alone, and this entry is alpaca"
        yield Problem(what, node.key_where, '"formatting": "sharegpt"')
        return
    tags: Mapping[str, Any] = DEFAULT_TAGS
    if node is not None:
        yield from _misnamed(node, tuple(TAGS), "tags")
        tags = {key: one.value for key, one in node.value.items() if one.value}
        yield from _partial(node, tags)
    if _is_sharegpt(entry) and listed is not None and listed.first is not None:
        yield from _against_messages(node or entry, entry, tags, listed.first)


def _partial(node: Node, tags: Mapping[str, Any]) -> Iterator[Problem]:
    if missing := [tag for tag in TAGS if tag not in tags]:
        what = f"tags names no {', '.join(missing)}: what it does not name is reset to nothing"
        hint = ", ".join(f'"{tag}": "{DEFAULT_TAGS[tag]}"' for tag in missing)
        yield Problem(what, node.key_where, hint)
    roles = [(tag, tags[tag]) for tag in list(TAGS)[2:] if isinstance(tags.get(tag), str)]
    for index, (tag, role) in enumerate(roles):
        same = [other for other, name in roles[:index] if name == role]
        if same:
            what = f'tags.{tag} and tags.{same[0]} are both "{role}"'
            yield Problem(what, node.value[tag].where, "a name for each role")


def _against_messages(
    place: Node, entry: Node, tags: Mapping[str, Any], first: Mapping[str, Any]
) -> Iterator[Problem]:
    """Keys and roles of the first row's messages that the tags do not know."""
    columns = entry.value.get("columns")
    named = columns.plain if columns is not None and isinstance(columns.value, dict) else DEFAULT_COLUMNS
    messages = first.get(named.get("messages") or "")
    if not isinstance(messages, list) or not messages or not isinstance(messages[0], dict):
        return
    keys = messages[0]
    for tag in ("role_tag", "content_tag"):
        if tag in tags and tags[tag] not in keys:
            what = f'tags.{tag} is "{tags[tag]}", and a message of the data has {", ".join(keys)}: KeyError'
            yield Problem(what, place.key_where, "tags: all seven, as the data calls them")
            return
    if "role_tag" not in tags:
        return
    roles = {str(one.get(tags["role_tag"])) for one in messages if isinstance(one, dict)}
    known = {str(tags[tag]) for tag in list(TAGS)[2:] if tag in tags}
    if strange := sorted(roles - known):
        what = f"the data has the role {', '.join(strange)}, which no tag names: such rows are dropped"
        yield Problem(what, place.key_where, "tags: all seven, as the data calls them")


def _is_sharegpt(entry: Node) -> bool:
    node = entry.value.get("formatting")
    return node is not None and str(node.value).lower() in {"sharegpt", "openai"}


def _is_ranking(entry: Node) -> bool:
    node = entry.value.get("ranking")
    return node is not None and node.value is True


def _is_pretraining(node: Node, stage: str) -> bool:
    """Whether the columns are those of plain text: LLaMA-Factory wants `prompt` alone for it."""
    return stage == "pt" or (not stage and set(node.value) == {"prompt"})
