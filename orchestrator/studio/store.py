"""The store: files, jobs, feedback and keys in SQLite (WAL), in runs/.studio/.

Every record is also a JSON file of its own, written first (runs/.studio/KIND/ID.json), from which the
database is rebuilt where it lacks one. What a run did is read from its folder, never from here. Keys exist in
the database only, as hashes: without it, make new ones.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import orjson

from orchestrator.execute.host.atomic_files import read_json, remove, sync_folder, write_durable
from orchestrator.execute.run_store.run_paths import make_private

HOME = ".studio"
KINDS = ("files", "jobs", "feedback", "completions")
Record = dict[str, object]
_SCHEMA = """
create table if not exists records (
  seq integer primary key autoincrement, kind text not null, id text not null unique, owner text not null,
  created real not null, state text not null default '', record blob not null);
create index if not exists of_owner on records (kind, owner, created);
create index if not exists of_state on records (kind, state, created);
create table if not exists keys (
  hash text primary key, name text not null, scopes text not null, limits text not null,
  created real not null);
"""


class Store:
    """The records of a project; safe to use from several threads and processes."""

    def __init__(self, project: Path) -> None:
        self.folder = make_private(project, HOME)
        self._lock = threading.RLock()
        self._base = sqlite3.connect(self.folder / "studio.sqlite3", check_same_thread=False, timeout=30)
        (self.folder / "studio.sqlite3").chmod(0o600)
        self._base.execute("pragma journal_mode=wal")
        self._base.execute("pragma synchronous=full")
        self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._base.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The database, for one transaction."""
        with self._lock, self._base:
            yield self._base

    def put(self, kind: str, record: Mapping[str, object]) -> None:
        """Write a record, new or changed; it has an id, an owner and created_at, and may have a state."""
        write_durable(self._path(kind, str(record["id"])), orjson.dumps(dict(record)), mode=0o600)
        self._index(kind, record)

    def change(self, kind: str, name: str, states: Sequence[str], **changes: object) -> Record | None:
        """Change a record if it is in one of these states; the changed record, or None."""
        with self._lock:
            found = self._select("kind = ? and id = ?", (kind, name))
            if not found or found[0].get("state") not in states:
                return None
            changed = {**found[0], **changes}
            self.put(kind, changed)
            return changed

    def get(self, kind: str, name: str, owners: Iterable[str]) -> Record | None:
        """The record of that id, if one of these names owns it."""
        found = self._select("kind = ? and id = ?", (kind, name))
        return found[0] if found and found[0]["owner"] in set(owners) else None

    def ending(self, kind: str, tail: str) -> list[Record]:
        """The records whose ids end like this."""
        return self._select("kind = ? and substr(id, ?) = ?", (kind, str(-len(tail)), tail)) if tail else []

    def all(
        self, kind: str, owners: Sequence[str] | None = None, *, state: str = "", descending: bool = False
    ) -> list[Record]:
        """The records of these owners (None: of all), in the order of arrival."""
        where, values = "kind = ?", [kind]
        if owners is not None:
            where += f" and owner in ({','.join('?' * len(owners))})"
            values += owners
        if state:
            where, values = f"{where} and state = ?", [*values, state]
        return self._select(f"{where} order by created, seq", values, descending=descending)

    def delete(self, kind: str, name: str) -> None:
        """Remove a record; a missing one is ignored."""
        remove(self._path(kind, name))
        sync_folder(self._path(kind, name).parent)
        with self.transaction() as base:
            base.execute("delete from records where kind = ? and id = ?", (kind, name))

    def _select(self, where: str, values: Sequence[str], *, descending: bool = False) -> list[Record]:
        with self._lock:
            found = self._base.execute(f"select record from records where {where}", values)  # noqa: S608  our text
            records: list[Record] = [orjson.loads(row[0]) for row in found]
        return records[::-1] if descending else records

    def _index(self, kind: str, *records: Mapping[str, object]) -> None:
        text = (
            "insert into records (kind, id, owner, created, state, record) values (?, ?, ?, ?, ?, ?) "
            "on conflict (id) do update set state = excluded.state, record = excluded.record"
        )
        rows = [
            (kind, one["id"], one["owner"], one["created_at"], one.get("state", ""), orjson.dumps(dict(one)))
            for one in records
        ]
        with self.transaction() as base:
            base.executemany(text, rows)

    def rebuild(self) -> None:
        """Add what the database lacks, and drop what has no file: both follow a kill between two writes."""
        for kind in KINDS:
            folder = self.folder / kind
            folder.mkdir(mode=0o700, exist_ok=True)
            known = {str(one["id"]): one for one in self.all(kind)}
            kept = {path.stem for path in folder.glob("[!.]*.json")}
            read = ((name, read_json(folder / f"{name}.json")) for name in sorted(kept))
            whole = ((name, one) for name, one in read if one and {"id", "owner", "created_at"} <= one.keys())
            self._index(kind, *(one for name, one in whole if one != known.get(name)))
            for name in known.keys() - kept:
                self.delete(kind, name)

    def _path(self, kind: str, name: str) -> Path:
        return self.folder / kind / f"{name}.json"


def new_id(prefix: str) -> str:
    """A new id: the prefix, a dash, and 24 hexadecimal digits."""
    return f"{prefix}-{token_hex(12)}"


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def seconds(value: object) -> int:
    """A time of a record, in whole seconds since 1970; 0 where there is none."""
    return int(value) if isinstance(value, int | float) else 0


def page(
    records: Sequence[Record], show: Callable[[Record], object], *, after: str, limit: int
) -> dict[str, object]:
    """OpenAI's list object.

    Args:
        records: all of them, in order; each has an id.
        show: makes of a record what the client sees.
        after: the id behind which the page begins; "" for the start.
        limit: the most that a page has.
    """
    ids = [str(one["id"]) for one in records]
    start = ids.index(after) + 1 if after in ids else 0
    chosen = records[start : start + limit]
    return {
        "object": "list",
        "data": [show(one) for one in chosen],
        "first_id": chosen[0]["id"] if chosen else None,
        "last_id": chosen[-1]["id"] if chosen else None,
        "has_more": start + limit < len(ids),
    }
