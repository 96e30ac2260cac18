"""Pipes, sockets, devices, folders and links where a file belongs; odd keys; odd outputs."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from tests.faults.hostile import Hostile, Place, nothing, together, write

SECRET = "sk-CANARY with a space"


def pipe(name: str) -> Callable[[Place], object]:
    """A named pipe that nobody writes to."""

    def make(place: Place) -> None:
        path = place.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    return make


def unix_socket(name: str) -> Callable[[Place], object]:
    """A socket, by a path that is short enough for one."""

    def make(place: Place) -> None:
        folder = os.open(place.project, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"/proc/self/fd/{folder}/{name}")
        os.close(folder)

    return make


def folder(name: str) -> Callable[[Place], object]:
    """A folder."""

    def make(place: Place) -> None:
        path = place.project / name
        path.unlink(missing_ok=True)
        path.mkdir(parents=True)

    return make


def link(name: str, target: str) -> Callable[[Place], object]:
    """A link."""

    def make(place: Place) -> None:
        path = place.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    return make


def sparse(name: str, size: int = 1 << 32) -> Callable[[Place], object]:
    """A file that says it is large, and holds nothing."""

    def make(place: Place) -> None:
        with (place.project / name).open("wb") as file:
            file.truncate(size)
        (place.project / name).chmod(0o600)

    return make


def key(content: bytes, mode: int = 0o600) -> Callable[[Place], object]:
    """A key file."""

    def make(place: Place) -> None:
        (place.project / "key").write_bytes(content)
        (place.project / "key").chmod(mode)

    return make


def chat(file: str = "key") -> tuple[str, ...]:
    """A verb that reads a key and then asks a server that is not there."""
    return ("chat", "small", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--key-file", file)


def parity(file: str) -> tuple[str, ...]:
    """A verb that reads a chat template first."""
    return ("parity", "small", "--chat-template", file)


def setting(name: str, text: str, code: int) -> Hostile:
    """A value that should name something of the project, and is a path."""
    return Hostile(f"set {name}", nothing, ("plan", "small", "--set", text), code, (), ("Traceback",))


NOT_A_FILE = ("it is a pipe, a socket or a device",)
FOLDER, A_FILE = ("Is a directory",), ("not a file",)
AUDIT = ("data", "audit", "x.jsonl")
ENTRY = "dataset_info/small.yaml"

CASES = (
    Hostile("a key file that is a pipe", pipe("key"), chat(), 3, NOT_A_FILE, also_json=True),
    Hostile("a key file linked to a pipe", together(pipe("p"), link("key", "p")), chat(), 3, NOT_A_FILE),
    Hostile("a key file that is a socket", unix_socket("key"), chat(), 3, NOT_A_FILE),
    Hostile("a key file without an end", link("key", "/dev/zero"), chat(), 3, NOT_A_FILE),
    Hostile("a key file that is a folder", folder("key"), chat(), 3, FOLDER),
    Hostile("a key file that links to itself", link("key", "key"), chat(), 3, ("key",)),
    Hostile("a key file for everybody", key(b"sk-CANARY", 0o644), chat(), 3, ("chmod 600",), ("CANARY",)),
    Hostile(
        "a key of two words", key(SECRET.encode()), chat(), 2, ("not a key",), ("CANARY",), also_json=True
    ),
    Hostile("a key with an escape", key(b"\x1b]0;CANARY\x07"), chat(), 2, ("not a key",), ("CANARY",)),
    Hostile("a key of other bytes", key(b"\xff\xfeCANARY"), chat(), 2, ("not UTF-8",), ("CANARY",)),
    Hostile("a key of two lines", key(b"CANARY\r\nX-Other: 1"), chat(), 2, ("not a key",), ("CANARY",)),
    Hostile("a key file of blanks", key(b" \n\t\n"), chat(), 2, ("is empty",)),
    Hostile("a key file of 4 GB", sparse("key"), chat(), 2, ("not a key",)),
    Hostile("a key file with an odd name", key(b""), chat("\x1b[31m\n\u202ekey"), 3, ("no key file",)),
    Hostile("a template that is a pipe", pipe("t"), parity("t"), 2, NOT_A_FILE, also_json=True),
    Hostile("a template that is a socket", unix_socket("t"), parity("t"), 2, NOT_A_FILE),
    Hostile("a template without an end", link("t", "/dev/zero"), parity("t"), 2, NOT_A_FILE),
    Hostile("a template that is a folder", folder("t"), parity("t"), 2, ("is a folder",)),
    Hostile("a template of 4 GB", sparse("t"), parity("t"), 2, ("larger than",)),
    Hostile("a recipe that is a pipe", pipe("r.yaml"), ("plan", "./r.yaml"), 2, NOT_A_FILE),
    Hostile("an endless recipe", link("r.yaml", "/dev/zero"), ("plan", "./r.yaml"), 2, NOT_A_FILE),
    Hostile("the recipe of a name is a pipe", pipe("recipes/small.yaml"), ("plan", "small"), 2, NOT_A_FILE),
    Hostile(
        "the recipe of a name is a folder",
        folder("recipes/small.yaml"),
        ("plan", "small"),
        2,
        ("not a file",),
    ),
    Hostile(
        "extends a pipe",
        together(pipe("recipes/p.yaml"), write("recipes/small.yaml", "extends: p\n")),
        ("plan", "small"),
        2,
        NOT_A_FILE,
    ),
    Hostile("an entry that is a pipe", pipe(ENTRY), ("plan", "small"), 2, NOT_A_FILE),
    Hostile("an entry that is a folder", folder(ENTRY), ("plan", "small"), 2, FOLDER),
    Hostile("the data is a pipe", pipe("dataset_info/small.jsonl"), ("plan", "small"), 3, ("data",)),
    Hostile("a pairing that is a pipe", pipe("chat_templates/x.yaml"), ("plan", "small"), 2, NOT_A_FILE),
    Hostile("audit of a pipe", pipe("x.jsonl"), AUDIT, 3, ("not a regular file",)),
    Hostile(
        "audit of zeros",
        link("x.jsonl", "/dev/zero"),
        ("data", "audit", "x.jsonl"),
        3,
        ("not a regular file",),
    ),
    Hostile("audit of a folder of pipes", pipe("x/a.jsonl"), ("data", "audit", "x"), 3, ("no data file",)),
    Hostile(
        "lint of a pipe", pipe("x/dataset_info.json"), ("data", "audit", "x/dataset_info.json"), 3, NOT_A_FILE
    ),
    Hostile(
        "a split of a dataset above its folder",
        write("x/dataset_dict.json", '{"splits": [".."]}'),
        ("data", "audit", "x"),
        2,
        ("outside its folder",),
    ),
    Hostile(
        "a split of a dataset with a NUL",
        write("x/dataset_dict.json", '{"splits": ["a\\u0000b"]}'),
        ("data", "audit", "x"),
        2,
        ("outside its folder",),
    ),
    Hostile(
        "splits of 100,000 lists",
        write("x/dataset_dict.json", '{"splits": ' + "[" * 100_000),
        ("data", "audit", "x"),
        2,
        ("dataset_dict.json is damaged",),
    ),
    Hostile(
        "an output that is a pipe",
        together(pipe("out.jsonl"), write("x.jsonl", '{"instruction": "a", "output": "b"}\n')),
        ("data", "convert", "x.jsonl", "--to", "alpaca", "--out", "out.jsonl"),
        2,
        ("already exists",),
    ),
    Hostile(
        "a partial output that is a pipe",
        together(pipe(".out.jsonl.partial"), write("x.jsonl", '{"instruction": "a", "output": "b"}\n')),
        ("data", "convert", "x.jsonl", "--to", "alpaca", "--out", "out.jsonl"),
        3,
        ("cannot write",),
    ),
    Hostile(
        "a partial output that is a link",
        together(
            link(".out.jsonl.partial", "recipes/small.yaml"),
            write("x.jsonl", '{"instruction": "a", "output": "b"}\n'),
        ),
        ("data", "convert", "x.jsonl", "--to", "alpaca", "--out", "out.jsonl"),
        3,
        ("cannot write",),
    ),
    setting("a base that is a device", "model.base=/dev/zero", 3),
    setting("a data set above", "data.dataset=../x", 2),
    setting("a data set that is a pipe", "data.dataset=/dev/stdin", 2),
    setting("a name that is a path", "name=../x", 2),
    setting("a chat template's path", "template.name=../../etc/passwd", 2),
    Hostile("a base with a pipe", pipe("base/config.json"), ("sft", "small"), 3, ("config.json",)),
    Hostile(
        "conversations that are a pipe",
        pipe("c.jsonl"),
        ("parity", "--tokenizer", "base", "--template", "qwen", "--conversations", "c.jsonl"),
        2,
        (),
    ),
    Hostile(
        "a tokenizer with a pipe",
        pipe("base/tokenizer_config.json"),
        ("parity", "--tokenizer", "base", "--template", "qwen"),
        2,
        NOT_A_FILE,
    ),
)
