"""Data files as nobody would write them: broken bytes, rows of any values, tables of any text."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.formats.column_names import NAMES
from tests.datasets.corpus_world import CORPUS, Entry, entries

ALSO = ("merge-turns", "markup", "mask-pii", "json")
FORMS = ("sharegpt", "alpaca", "parquet")
OPTIONS = {"items": "--items", "sheet": "--sheet", "split": "--part"}
# What a parser, a repair or a check looks for.
PIECES = [
    *(
        b'"',
        b"'",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\n",
        b"\r",
        b"\t",
        b"\0",
        b"<",
        b">",
        b"&",
        b";",
    ),
    *(b"\xff", b"\xfe", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xe9\x97", b"\xb0\xa1", b"\x1a"),
    *(b"\\ud83d", b"\\u0000", b"null", b"NaN", b"1e999", b"-", b"9" * 400, b"[" * 2000, b'{"a":' * 2000),
    *(b"<think>", b"</think>", b"<|im_end|>", b"<!DOCTYPE a>", b"<!--", b"//", b"/*", b'""', b"PK\x03\x04"),
]
TEXTS = [
    *("", " ", "\n", "\r\n", "\u3000", "\0", "\ud83d", "\ufeff", "\ufffd", "\u200b", "锟斤拷", "null", "NaN"),
    *("<think>", "</think>", "<think>\n想\n</think>\n\n答", "<think>想</think>答", "<think>\n\n</think>\n\n"),
    *("<|im_end|>", "<|im_end|><|im_end|>", "<|<|a|>a|>", "{{idx}}", "{{idx}} <|a|> {{idx}}", "{{i<|a|>dx}}"),
    *("问：", "答: 问：好", "问：头痛", "Human:", "\n\nHuman: 一\n\nAssistant: 二", "Human:一\nAssistant:二"),
    *(
        "13800138000",
        "11010519491231002X",
        "a@b.cn",
        "6222021234567890128",
        "&lt;br&gt;",
        "<br/>",
        "医生：\n",
    ),
    *('{"name": "查", "arguments": {}}', '[["一","二"]]', '["一","二"]', "[" * 2000, "true", "1", "是", "[]"),
    *(
        "user",
        "assistant",
        "system",
        "function_call",
        "observation",
        "tool",
        "text",
        "image_url",
        "2024-01-01",
    ),
]
MORE = (
    "tools tool_calls function_call refusal weight images label type message reasoning_content thinking name"
)
KEYS = sorted(
    {column for one in FORMATS.values() for column in one.columns.values()}
    | {name for names in NAMES.values() for name in names}
    | {*MORE.split(), "arguments", "function", "human", "assistant", "input", "output", "甲", ""}
)

texts = (
    st.sampled_from(TEXTS) | st.text(max_size=6) | st.lists(st.sampled_from(TEXTS), max_size=4).map("".join)
)
leaves = (
    texts
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([10**400, -(10**30), 1 << 63, 0, 1])
)
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)

ENTRIES = entries()


@dataclass(frozen=True)
class Strange:
    """A file, or a folder of some, and how it is read.

    Attributes:
        files: name → bytes; a name may be in folders.
        source: which name is given to the commands. words: options of reading.
    """

    files: dict[str, bytes]
    source: str
    words: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write the files below a folder."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


@st.composite
def broken_files(draw: st.DrawFn) -> Strange:
    """A file of the corpus with some of its bytes changed."""
    entry = draw(st.sampled_from(ENTRIES))
    path = CORPUS / entry.file
    paths = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    files = {file.relative_to(CORPUS).as_posix(): file.read_bytes() for file in paths}
    name = draw(st.sampled_from(sorted(files)))
    for _ in range(draw(st.integers(1, 4))):
        files[name] = draw(st.sampled_from(EDITS))(draw, files[name])
    return Strange(files, entry.file, _words(entry))


def _words(entry: Entry) -> list[str]:
    words = [f"--column={part}={column}" for part, column in entry.columns.items()]
    return words + [f"{OPTIONS[key]}={value}" for key, value in entry.reading.items() if key in OPTIONS]


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    at, bits = draw(st.integers(0, max(len(data) - 1, 0))), draw(st.integers(1, 255))
    return data[:at] + bytes(byte ^ bits for byte in data[at : at + 1]) + data[at + 1 :]


def _delete(draw: st.DrawFn, data: bytes) -> bytes:
    at, size = draw(st.integers(0, len(data))), draw(st.integers(1, 40))
    return data[:at] + data[at + size :]


def _insert(draw: st.DrawFn, data: bytes) -> bytes:
    at, piece = draw(st.integers(0, len(data))), draw(st.sampled_from(PIECES) | st.binary(max_size=8))
    return data[:at] + piece + data[at:]


def _truncate(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _repeat(draw: st.DrawFn, data: bytes) -> bytes:
    at, size, to = (draw(st.integers(0, len(data))) for _ in range(3))
    return data[:to] + data[at : at + size] * draw(st.integers(1, 3)) + data[to:]


EDITS: list[Callable[[st.DrawFn, bytes], bytes]] = [_flip, _delete, _insert, _truncate, _repeat]


def whole_rows() -> dict[str, list[dict[str, Any]]]:
    """Format → rows of the corpus that are whole, from files of one JSON object a line."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in ENTRIES:
        kept = entry.verdict.get("kept", 0)
        if entry.file[0].isdigit() or entry.columns or not entry.file.endswith(".jsonl") or not kept:
            continue
        lines = (CORPUS / entry.file).read_text(encoding="utf-8").splitlines()
        found.setdefault(entry.verdict["format"], []).extend(map(json.loads, lines))
    return found


@st.composite
def strange_rows(draw: st.DrawFn) -> Strange:
    """Rows of a shape, after a whole one or not, with values of any kind in any place."""
    name = draw(st.sampled_from(sorted(FORMATS)))
    whole = WHOLE[name]
    rows = [draw(st.sampled_from(whole))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.sampled_from(whole))
        for _ in range(draw(st.integers(0, 3))):
            row = _changed(draw, row)
        rows.append(row)
    if draw(st.booleans()):
        rows.append({key: draw(values) for key in FORMATS[name].columns.values() if draw(st.booleans())})
    if draw(st.integers(0, 3)) == 0:
        rows.append(draw(values))
    data = "".join(json.dumps(row, ensure_ascii=draw(st.booleans())) + "\n" for row in rows)
    words = [f"--format={name}"] if draw(st.booleans()) else []
    return Strange({"rows.jsonl": data.encode("utf-8", "surrogatepass")}, "rows.jsonl", words)


def _changed(draw: st.DrawFn, value: Any) -> Any:
    """A value with another in one place of it."""
    if value and draw(st.integers(0, 5)):
        if isinstance(value, dict):
            return _changed_object(draw, value)
        if isinstance(value, list):
            return _changed_list(draw, value)
        if isinstance(value, str):
            at = draw(st.integers(0, len(value)))
            return value[:at] + draw(texts) + value[at:]
    how = draw(st.sampled_from(["as text", "in a list", *["another"] * 6]))
    if how == "another":
        return draw(values)
    return [value] if how == "in a list" else json.dumps(value)


def _changed_object(draw: st.DrawFn, value: dict[str, Any]) -> dict[str, Any]:
    key = draw(st.sampled_from(sorted(value)))
    how = draw(st.sampled_from(["without", "with", *["changed"] * 6]))
    if how == "without":
        return {one: value[one] for one in value if one != key}
    if how == "with":
        return {**value, draw(st.sampled_from(KEYS)): draw(values)}
    return {**value, key: _changed(draw, value[key])}


def _changed_list(draw: st.DrawFn, value: list[Any]) -> list[Any]:
    at = draw(st.integers(0, len(value) - 1))
    how = draw(st.sampled_from(["delete", "repeat", "change", "change"]))
    if how == "change":
        return [*value[:at], _changed(draw, value[at]), *value[at + 1 :]]
    return [*value[:at], *([value[at]] * 2 if how == "repeat" else []), *value[at + 1 :]]


WHOLE = whole_rows()

_CELLS = [
    "问题",
    "答案",
    "question",
    "answer",
    "instruction",
    "output",
    "text",
    "头痛怎么办",
    "多休息",
    "",
    "NA",
    "1.0",
]


@st.composite
def strange_tables(draw: st.DrawFn) -> Strange:
    """Text that is meant to be a table."""
    mark = draw(st.sampled_from([",", "\t", ";", "|"]))
    cell = st.sampled_from(_CELLS) | texts | st.text("\",;\t\n\r\\' 问", max_size=8)
    header = draw(st.sampled_from([["question", "answer"], [" 问题 ", "答案"], ["text"], ["甲", "甲"], []]))
    rows = [header, *draw(st.lists(st.lists(cell, max_size=4), max_size=6))]
    quoted = draw(st.booleans())
    lines = [
        mark.join('"' + text.replace('"', '""') + '"' if quoted else text for text in row) for row in rows
    ]
    data = draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines)
    name = "表" + draw(st.sampled_from([".csv", ".tsv", ".CSV", ".txt"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "gb18030", "utf-16"]))
    errors = "surrogatepass" if encoding != "gb18030" else "replace"
    return Strange({name: data.encode(encoding, errors)}, name)
