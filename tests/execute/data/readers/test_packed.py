"""Packed files are unpacked as streams, and folders are read as one file; damage and doubt are said."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from orchestrator.datasets.base import RowProblem
from orchestrator.errors import ConchError
from orchestrator.execute.data.data_file import DataFile, Reading

LINES = '{"问题": "一"}\n{"问题": "二"}\n'.encode()
ROWS = [{"问题": "一"}, {"问题": "二"}]


def read(path: Path, **reading: Any) -> list[tuple[str, Any]]:
    """(place, row or kind of problem)."""
    with DataFile.open(path, path.name, Reading(**reading)) as file:
        return [
            (file.locate(number), row.kind if isinstance(row, RowProblem) else row)
            for number, row in file.rows()
        ]


def refused(path: Path, **reading: Any) -> str:
    with pytest.raises(ConchError) as raised:
        read(path, **reading)
    return str(raised.value)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".BZ2", bz2.compress), (".xz", lzma.compress), (".zst", zstandard.compress)],
)
def test_a_packed_file_is_read_and_hashed_as_it_lies(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    packed = pack(LINES) + pack(LINES)
    path.write_bytes(packed)
    with DataFile.open(path, "a") as file:
        assert [row for _, row in file.rows()] == ROWS * 2
        assert file.sha256() == "sha256:" + hashlib.sha256(packed).hexdigest()
    path.write_bytes(pack(LINES * 2000)[:-6])
    assert read(path)[-1][1] == "damaged file"
    path.write_bytes(b"nichts dergleichen")
    assert [row for _, row in read(path)] == ["damaged file"]


def test_a_zip_s_one_data_file_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"README.md": b"#", "__MACOSX/._in.jsonl": b"x", "in/b.jsonl": LINES})
    assert read(path) == [("a.zip/in/b.jsonl:1", ROWS[0]), ("a.zip/in/b.jsonl:2", ROWS[1])]
    twice = zipped(tmp_path / "b.zip", {"a.csv.gz": gzip.compress("问题\n一\n".encode())})
    assert read(twice) == [("b.zip/a.csv.gz:2", ROWS[0])]
    assert "a.jsonl, b.csv" in refused(zipped(tmp_path / "c.zip", {"a.jsonl": LINES, "b.csv": b"a"}))
    assert "0 data files: a.exe" in refused(zipped(tmp_path / "d.zip", {"a.exe": b""}))
    assert "unpack it" in refused(zipped(tmp_path / "e.zip", {"a.xlsx": b"x"}))
    (tmp_path / "f.zip").write_bytes(b"nichts")
    assert "the zip is damaged" in refused(tmp_path / "f.zip")
    path.write_bytes(
        path.read_bytes().replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    )
    assert "password" in refused(path)


def test_what_unpacks_to_one_endless_line_never_fills_the_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(70):
            file.write(b" " * (1 << 20))
    tracemalloc.start()
    rows = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == [("a.jsonl.gz:1", "too long")]
    assert peak < 140 << 20


def test_a_folder_of_files_is_read_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "数据"
    (folder / "sub").mkdir(parents=True)
    for name, content in (
        ("b.jsonl", LINES),
        ("a.json", b"\n" + LINES),
        ("README.md", b"#"),
        (".DS_Store", b"x"),
    ):
        (folder / name).write_bytes(content)
    places = ["数据/a.json:2", "数据/a.json:3", "数据/b.jsonl:1", "数据/b.jsonl:2"]
    with DataFile.open(folder, "数据/") as file:
        rows = list(file.rows())
        assert [file.locate(number) for number, _ in rows] == places
        assert len({number for number, _ in rows}) == len(rows)
        assert file.notes == [
            "skipped in the folder: .DS_Store, README.md, sub/",
            "2 files: a.json, b.jsonl",
        ]
        before = file.sha256()
    (folder / "b.jsonl").write_bytes(LINES + LINES)
    with DataFile.open(folder, "数据/") as file:
        assert file.sha256() != before
    (folder / "c.csv").write_bytes(b"a\n1\n")
    assert "several kinds" in refused(folder)
    (tmp_path / "leer").mkdir()
    assert "no data file in the folder" in refused(tmp_path / "leer")


def test_of_several_splits_one_is_named(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_bytes(LINES)
    assert "several splits: train, test" in refused(tmp_path)
    assert len(read(tmp_path, split="test")) == 2
    assert "no file is named after" in refused(tmp_path, split="dev")


def saved(folder: Path, names: list[str]) -> None:
    """As datasets 4.0.0's save_to_disk leaves it."""
    import pyarrow as pa

    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(ROWS)
    for name in names:
        with pa.ipc.new_stream(str(folder / name), table.schema) as stream:
            stream.write_table(table)
    (folder / "dataset_info.json").write_text("{}", encoding="utf-8")
    state = {"_data_files": [{"filename": name} for name in names]}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")


def test_what_datasets_saved_is_read(tmp_path: Path) -> None:
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    saved(tmp_path / "one", names)
    assert [row for _, row in read(tmp_path / "one")] == ROWS * 2
    assert read(tmp_path / "one")[2][0] == f"one/{names[1]}:1"
    for split in ("train", "test"):
        saved(tmp_path / "dict" / split, names[:1])
    (tmp_path / "dict/dataset_dict.json").write_text('{"splits": ["train", "test"]}', encoding="utf-8")
    assert "several splits: train, test" in refused(tmp_path / "dict")
    assert 'no split named "dev"' in refused(tmp_path / "dict", split="dev")
    assert read(tmp_path / "dict", split="test")[0] == (f"dict/test/{names[0]}:1", ROWS[0])
    (tmp_path / "one" / names[1]).unlink()
    assert "missing" in refused(tmp_path / "one")
    (tmp_path / "one/state.json").write_text("嗯", encoding="utf-8")
    assert "damaged" in refused(tmp_path / "one")


def test_a_link_without_a_suffix_is_read_as_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("问题\n一\n", encoding="utf-8")
    (tmp_path / "link").symlink_to("a.csv")
    assert read(tmp_path / "link") == [("link:2", ROWS[0])]


def test_a_file_is_hashed_once_in_whatever_order_it_is_read(tmp_path: Path) -> None:
    from orchestrator.execute.data.readers.hashed import HashedFile

    data = bytes(range(256)) * 2000
    (tmp_path / "a").write_bytes(data)
    file = HashedFile(tmp_path / "a")
    for offset, size in ((0, 100_000), (50_000, 100_000), (400_000, 10), (10, 20)):
        file.seek(offset)
        assert io.BufferedReader(file, 4096).read(size) == data[offset : offset + size]
    assert file.sha256() == "sha256:" + hashlib.sha256(data).hexdigest()
    file.end()


@pytest.mark.parametrize(
    "split", ["..", ".", "", "../else", "train/../../else", "/etc", "link", "a\0", "x" * 300]
)
def test_fault_127_a_split_does_not_leave_its_folder(tmp_path: Path, split: str) -> None:
    """Each of these is a whole saved dataset, but not this one's."""
    saved(tmp_path / "else", ["data-0.arrow"])
    saved(tmp_path / "dict", ["data-0.arrow"])
    saved(tmp_path, ["data-0.arrow"])
    (tmp_path / "dict/link").symlink_to(tmp_path / "else")
    (tmp_path / "dict/dataset_dict.json").write_text(json.dumps({"splits": [split]}), encoding="utf-8")
    assert re.search("outside its folder|is damaged", refused(tmp_path / "dict"))
