"""Finds mistakes in `columns` and `tags` of an entry in dataset_info.json. Pure.

With `columns` or `tags`, LLaMA-Factory 0.9.5 resets all that are not named to None (data/parser.py,
DatasetAttr.join): an unnamed column is not trained, an unnamed role drops its rows. If rows of the data are
known, the columns of the first and the roles of all are compared with the entry. Tags for tools and the
system prompt may be left out where no row uses them, as in LLaMA-Factory's own file: that is a Note.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

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
# Every sharegpt row needs the other four.
MOST_ROLES = 5
OPTIONAL_TAGS = ("observation_tag", "function_tag", "system_tag")
# The usual name of a column whose text is lost without a warning if it is not named.
LOST = {"query": "input", "history": "history", "system": "system", "tools": "tools"}


@dataclass(frozen=True, slots=True)
class Listed:
    """What a `file_name` names: a file, or a folder.

    Attributes:
        first: the file's first row, None if it is not known.
        rows: their number, None if it is not known.
        roles: each role of its messages, and the first row that has it; None if they are not known.
        unread: why the rows of a file that is there are not known; "" if they are.
    """

    folder: bool = False
    entries: tuple[str, ...] = ()
    first: Mapping[str, object] | None = field(default=None)
    rows: int | None = None
    roles: Mapping[str, int] | None = None
    unread: str = ""


class Note(Problem):
    """What is worth knowing and no mistake: LLaMA-Factory reads the entry as it is meant."""


def role_places(entry: Node) -> tuple[str, str] | None:
    """The column of an entry's messages, and the key of a message's role; None if it has none."""
    tags, columns = entry.value.get("tags"), entry.value.get("columns")
    if not _is_sharegpt(entry) or not all(
        node is None or isinstance(node.value, dict) for node in (tags, columns)
    ):
        return None
    role = DEFAULT_TAGS["role_tag"] if tags is None else tags.plain.get("role_tag")
    messages = DEFAULT_COLUMNS["messages"] if columns is None else columns.plain.get("messages")
    return (messages, role) if isinstance(messages, str) and isinstance(role, str) else None


def roles_of(row: Mapping[str, object], places: tuple[str, str]) -> Iterator[str]:
    """The roles of a row's messages."""
    messages, role = places
    turns = row.get(messages)
    for turn in turns if isinstance(turns, list) else ():
        if isinstance(turn, dict) and isinstance(turn.get(role), str):
            yield turn[role]


def column_problems(entry: Node, listed: Listed | None, stage: str) -> Iterator[Problem]:
    """Mistakes in an entry's columns."""
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
    """Unknown keys, and values that are not names."""
    for key, value in node.value.items():
        if key not in known:
            meant = did_you_mean(key, known)
            what = f'no key "{section}.{key}"{meant}: LLaMA-Factory ignores it without a warning'
            yield Problem(what, value.key_where, f"keys: {', '.join(known)}")
        elif value.value is not None and (not isinstance(value.value, str) or not value.value):
            yield Problem(f"{section}.{key}: must be a name, in quotes", value.where, f'"{key}": "…"')


def _unfit(entry: Node, node: Node, named: Mapping[str, object], stage: str) -> Iterator[Problem]:
    """Columns that do not fit the format or the stage: LLaMA-Factory fails, or drops all rows."""
    if _is_sharegpt(entry):
        needed = ["messages"]
    elif "messages" in named:
        what = "columns.messages is only read with the format sharegpt, and this entry is alpaca"
        yield Problem(what, node.value["messages"].key_where, '"formatting": "sharegpt"')
        return
    else:
        needed = ["prompt"] if _is_pretraining(node, stage) else ["prompt", "response"]
    pair = [key for key in ("chosen", "rejected") if key in named]
    if _is_ranking(entry):
        needed = [key for key in needed if key != "response"] + ["chosen", "rejected"]
    elif pair and stage not in {"rm", "dpo"}:  # otherwise ranking itself is reported as missing
        what = f"columns.{pair[0]} is read only with ranking: true"
        yield Problem(what, node.value[pair[0]].key_where, '"ranking": true')
        needed = [key for key in needed if key != "response"]
    if missing := [key for key in needed if key not in named]:
        what = f"columns does not name {' and '.join(missing)}: what it does not name is reset to None"
        hint = ", ".join(f'"{key}": "{DEFAULT_COLUMNS.get(key, key)}"' for key in missing)
        yield Problem(what, node.key_where, hint)
    if "kto_tag" in named and (_is_ranking(entry) or stage not in {"", "kto"}):
        what = "columns.kto_tag drops every row in all stages except kto"
        yield Problem(what, node.value["kto_tag"].key_where, "delete it")


def _against_row(
    entry: Node, node: Node | None, meant: Mapping[str, object], first: Mapping[str, object]
) -> Iterator[Problem]:
    """Columns that the data does not have, and text of the data that no column names."""
    read = ("messages",) if _is_sharegpt(entry) else ("prompt", "query", "response")
    keys = read if node is None else tuple(meant)
    here = f"its columns: {', '.join(list(first)[:8])}"
    for key in keys:
        name = meant[key]
        if isinstance(name, str) and name not in first:
            where = entry.key_where if node is None else node.value[key].where
            given = "without `columns`, " if node is None else ""
            yield Problem(
                f'{given}columns.{key} is "{name}", which the data does not have: KeyError', where, here
            )
    for key, usual in LOST.items():
        if key == "query" and _is_sharegpt(entry):
            continue
        if key not in meant and first.get(usual) and usual not in meant.values():
            what = f'the data has "{usual}" but no column names it: it is not trained'
            where = entry.key_where if node is None else node.key_where
            hint = f'"{key}": "{usual}" in columns, and every other column with it'
            yield Problem(what, where, hint)


def tag_problems(entry: Node, listed: Listed | None) -> Iterator[Problem]:
    """Mistakes in an entry's tags."""
    node = entry.value.get("tags")
    if node is not None and not isinstance(node.value, dict):
        yield Problem("tags: must be an object", node.where, f"all seven: {', '.join(TAGS)}")
        return
    if node is not None and not _is_sharegpt(entry):
        what = "tags are only read with the format sharegpt, and this entry is alpaca"
        yield Problem(what, node.key_where, '"formatting": "sharegpt"')
        return
    tags: Mapping[str, object] = DEFAULT_TAGS
    if node is not None:
        yield from _misnamed(node, tuple(TAGS), "tags")
        tags = {key: one.value for key, one in node.value.items() if isinstance(one.value, str) and one.value}
        yield from _partial(node, tags, listed)
    if _is_sharegpt(entry) and listed is not None and listed.first is not None:
        yield from _against_messages(node or entry, entry, tags, listed)


def _partial(node: Node, tags: Mapping[str, object], listed: Listed | None) -> Iterator[Problem]:
    missing = [tag for tag in TAGS if tag not in tags]
    hint = ", ".join(f'"{tag}": "{DEFAULT_TAGS[tag]}"' for tag in missing)
    if set(missing) - set(OPTIONAL_TAGS):
        what = f"tags does not name {', '.join(missing)}: what it does not name is reset to None"
        yield Problem(what, node.key_where, hint)
    elif missing:  # a role that the data has and no tag names is a mistake (_against_messages)
        known = listed is not None and listed.roles is not None
        data = "its data has none" if known else "its data is not here to look at"
        what = f"tags does not name {', '.join(missing)}: a row with such a role would be dropped; {data}"
        yield Note(what, node.key_where, hint)
    roles = [(tag, tags[tag]) for tag in list(TAGS)[2:] if isinstance(tags.get(tag), str)]
    for index, (tag, role) in enumerate(roles):
        same = [other for other, name in roles[:index] if name == role]
        if same:
            what = f'tags.{tag} and tags.{same[0]} are both "{role}"'
            yield Problem(what, node.value[tag].where, "use a different name for each role")


def _against_messages(
    written: Node, entry: Node, tags: Mapping[str, object], listed: Listed
) -> Iterator[Problem]:
    """Keys of the first row's messages, and roles, that no tag names."""
    columns = entry.value.get("columns")
    named = columns.plain if columns is not None and isinstance(columns.value, dict) else DEFAULT_COLUMNS
    messages = (listed.first or {}).get(named.get("messages") or "")
    if not isinstance(messages, list) or not messages or not isinstance(messages[0], dict):
        return
    keys = messages[0]
    for tag in ("role_tag", "content_tag"):
        if tag in tags and tags[tag] not in keys:
            what = f'tags.{tag} is "{tags[tag]}", but a message of the data has {", ".join(keys)}: KeyError'
            yield Problem(what, written.key_where, "set all seven tags as in the data")
            return
    known = {str(tags[tag]) for tag in list(TAGS)[2:] if tag in tags}
    if strange := [role for role in listed.roles or {} if role not in known]:
        row = (listed.roles or {})[strange[0]]
        more = f" and {len(strange) - MOST_ROLES} more" if len(strange) > MOST_ROLES else ""
        names = ", ".join(sorted(strange[:MOST_ROLES])) + more
        what = f"the data has the role {names}, which no tag names: its rows are dropped"
        yield Problem(f"{what} (first row {row})", written.key_where, "set all seven tags as in the data")


def _is_sharegpt(entry: Node) -> bool:
    node = entry.value.get("formatting")
    return node is not None and str(node.value).lower() in {"sharegpt", "openai"}


def _is_ranking(entry: Node) -> bool:
    node = entry.value.get("ranking")
    return node is not None and node.value is True


def _is_pretraining(node: Node, stage: str) -> bool:
    """Whether the columns are those of plain text: LLaMA-Factory uses only `prompt`."""
    return stage == "pt" or (not stage and set(node.value) == {"prompt"})
