"""dataset_info.json: what a list of datasets, and the files that it names, can do to its reader."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping

from tests.faults.hostile import Hostile, Place, nothing, together, write

LIST = "dataset_info.json"
AUDIT = ("data", "audit", LIST)
ESCAPE = "\x1b]0;owned\x07\x1b[31m"
SHOWN = r"\x1b]0;owned\x07\x1b[31m"
TALK = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}
FOUR = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
SHAREGPT = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": FOUR}


def listed(*entries: object, **more: object) -> Callable[[Place], object]:
    """A list with these entries, a file of one conversation beside it."""
    named = {f"x{number}": entry for number, entry in enumerate(entries)} | more
    rows = write("a.jsonl", json.dumps(TALK) + "\n")
    return together(rows, write(LIST, json.dumps(named, ensure_ascii=False)))


def text(content: bytes | str) -> Callable[[Place], object]:
    return write(LIST, content)


def rows(*found: Mapping[str, object], **entry: object) -> Callable[[Place], object]:
    """A list with one entry, whose file has these rows."""
    lines = "".join(json.dumps(row) + "\n" for row in found)
    return together(listed({"file_name": "b.jsonl", **SHAREGPT, **entry}), write("b.jsonl", lines))


def linked(target: str) -> Callable[[Place], object]:
    return lambda place: (place.project / "b.jsonl").symlink_to(target)


def fifo(place: Place) -> None:
    os.mkfifo(place.project / "b.jsonl")


CASES = (
    Hostile(
        "a name with an escape",
        listed(**{ESCAPE: {"file_name": f"{ESCAPE}.jsonl"}}),
        AUDIT,
        2,
        ("does not exist",),
        also_json=True,
    ),
    Hostile("a key with an escape", listed({"file_name": "a.jsonl", ESCAPE: 1}), AUDIT, 2, (SHOWN,)),
    Hostile(
        "a role that turns its direction",
        rows({"messages": [{"role": "\u202eresu", "content": "问"}]}),
        AUDIT,
        2,
        (r"\u202eresu",),
    ),
    Hostile("a file name with a NUL", listed({"file_name": "a\0.jsonl"}), AUDIT, 2, ("does not exist",)),
    Hostile("nothing", text(""), AUDIT, 2, (f"{LIST}:1",)),
    Hostile("no JSON but YAML", text("a:\n  file_name: a.jsonl\n"), AUDIT, 2, (f"{LIST}:1:1",)),
    Hostile("a list of names", text('["a", "b"]'), AUDIT, 2, ("is not a JSON object",)),
    Hostile("bytes that are no text", text(b'{"a": {"file_name": "\xff\xfe"}}'), AUDIT, 2, ("not UTF-8",)),
    Hostile("half a character", text('{"a": {"file_name": "\\ud800"}}'), AUDIT, 2, ("does not exist",)),
    Hostile("a key twice", text('{"a": {"file_name": "a.jsonl"},\n "a": {}}'), AUDIT, 2, (f"{LIST}:2",)),
    Hostile("100,000 objects in each other", text('{"a":' * 100_000), AUDIT, 2, ("nested too deeply",)),
    Hostile("a number of 5,000 digits", listed({"file_name": "a.jsonl", "num_samples": 10**4000}), AUDIT, 2),
    Hostile("an entry that is a number", listed(3), AUDIT, 2, ("must be an object",)),
    Hostile(
        "columns that are words", listed({"file_name": "a.jsonl", "columns": "a"}), AUDIT, 2, ("columns",)
    ),
    Hostile(
        "tags that are lists",
        listed({"file_name": "a.jsonl", **SHAREGPT, "tags": {key: ["role"] for key in FOUR}}),
        AUDIT,
        2,
        ("tags.role_tag: must be a name",),
    ),
    Hostile(
        "a file name of 100,000 letters",
        listed({"file_name": "a" * 100_000}),
        AUDIT,
        2,
        ("does not exist",),
    ),
    Hostile(
        "a file that is a device",
        listed({"file_name": "/dev/zero", **SHAREGPT, "num_samples": 3}),
        AUDIT,
        2,
        ("does not exist",),
    ),
    Hostile(
        "a file that never comes",
        together(listed({"file_name": "b.jsonl", **SHAREGPT}), fifo),
        AUDIT,
        2,
        ("does not exist",),
    ),
    Hostile(
        "a file that links to itself",
        together(listed({"file_name": "b.jsonl", **SHAREGPT}), linked("b.jsonl")),
        AUDIT,
        2,
        ("does not exist",),
    ),
    Hostile(
        "a secret file is not shown",
        listed({"file_name": "/etc/passwd", **SHAREGPT}),
        AUDIT,
        2,
        ("LLaMA-Factory does not read",),
        ("root:x",),
    ),
    Hostile("a folder of the whole machine", listed({"file_name": "/", **SHAREGPT}), AUDIT, 2, ("folder",)),
    Hostile("the list names itself", listed({"file_name": LIST, **SHAREGPT}), AUDIT, 2, (LIST,)),
    Hostile(
        "a role in the last of 20,000 rows",
        rows(*[TALK] * 20_000, {"messages": [{"role": "tool", "content": "x"}, *TALK["messages"]]}),
        AUDIT,
        2,
        ("has the role tool, which no tag names: its rows are dropped (first row 20001)",),
        also_json=True,
    ),
    Hostile(
        "a role for each of 20,000 rows",
        rows(*[{"messages": [{"role": f"r{number}", "content": "x"}]} for number in range(20_000)]),
        AUDIT,
        2,
        ("has the role r0, r1, r2, r3, r4 and 19995 more, which",),
        never=("r19999",),
    ),
    Hostile("messages that are no list", rows({"messages": {"role": "user"}}), AUDIT, 0, ("note",)),
    Hostile("messages of numbers", rows({"messages": [1, None, [], {}]}), AUDIT, 0, ("note",)),
    Hostile(
        "3,000 entries",
        listed(*[{"file_name": "a.jsonl", **SHAREGPT}] * 3_000),
        AUDIT,
        0,
        ("problems      0",),
    ),
    Hostile(
        "a script", listed({"script_url": "http://127.0.0.1:1/x.py"}), AUDIT, 2, ("no longer runs scripts",)
    ),
    Hostile("a hub's address that is a file", listed({"hf_hub_url": "file:///etc/passwd"}), AUDIT, 0),
    Hostile("no such list", nothing, AUDIT, 3, (LIST,), also_json=True),
    Hostile(
        "a list of 5 MB",
        text('{"a": {"file_name": "' + "a" * (5 << 20) + '"}}'),
        AUDIT,
        2,
        ("larger than 2 MB",),
    ),
)
