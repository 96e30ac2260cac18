"""The child that reads what foreign code parses: its limits, its end, and that it changes nothing else."""
# Covers execute/data/file_source.py
# Covers execute/data/reader_child.py
# Covers execute/processes/child_limits.py
# Covers execute/processes/piped_child.py

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.errors import Interrupted, Problem, UsageError
from orchestrator.execute.data import reader_process
from orchestrator.execute.data.data_file import DataFile, Reading
from tests.faults.hostile import data_files

MB = 1 << 20
ROW = b'{"a": "b"}\n'
BLANKS = gzip.compress(b"\n" * (8 * MB))


def children() -> list[int]:
    """The pids of this process's readers."""
    tasks = Path("/proc/self/task").glob("*/children")
    pids = [int(pid) for task in tasks for pid in task.read_text(encoding="ascii").split()]
    return [pid for pid in pids if b"reader_child" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read(path: Path, **reading: Any) -> list[Any]:
    """The rows, and the kinds of problems."""
    with DataFile.open(path, path.name, Reading(**reading)) as file:
        return [row.kind if isinstance(row, RowProblem) else row for _, row in file.rows()]


def refused(path: Path, **reading: Any) -> Problem:
    with pytest.raises(UsageError) as raised:
        read(path, **reading)
    return raised.value.problems[0]


def endless(folder: Path) -> Path:
    """A file that takes minutes to read, where the limits allow that."""
    return written(folder / "a.jsonl.gz", gzip.compress(ROW) + BLANKS * 9000)


def gone(pid: int) -> bool:
    """Whether a process ends soon."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def test_fault_128_a_parser_that_aborts_is_told_with_the_file(tmp_path: Path) -> None:
    data_files.packed_zip(tmp_path / "a.xlsx", data_files.workbook(data_files.FAR, "xl/else/SHEET.XML"))
    told = refused(tmp_path / "a.xlsx")
    assert told.where == "a.xlsx"
    assert "crashed (SIGABRT): it is damaged, or takes more than 208 MB of memory" in told.what
    assert "--limits 4" in told.hint
    assert children() == []


@pytest.mark.parametrize(
    ("name", "says"),
    [("SIGSEGV", "crashed (SIGSEGV)"), ("SIGKILL", "crashed (SIGKILL)"), ("SIGXCPU", "s of processor time")],
)
def test_fault_128_a_child_that_dies_among_its_rows_is_told(tmp_path: Path, name: str, says: str) -> None:
    with DataFile.open(endless(tmp_path), "a.jsonl.gz", Reading(limits=1000)) as file:
        rows = file.rows()
        assert next(rows)[1] == {"a": "b"}
        os.kill(children()[0], signal.Signals[name])
        with pytest.raises(UsageError) as raised:
            next(rows)
    assert says in raised.value.problems[0].what
    assert raised.value.problems[0].what.endswith("after row 1")


def test_fault_129_what_a_child_allocates_is_limited(tmp_path: Path) -> None:
    path = written(tmp_path / "a.arrow", data_files.arrow(data_files.repeated(9 * MB, 2)))
    assert read(path) == ["too long"]
    assert len(read(path, limits=3)) == 2
    packed = data_files.arrow(data_files.texts(" " * (110 * MB)), "zstd")
    assert (
        refused(written(tmp_path / "b.arrow", packed)).what == "reading it takes more than 208 MB of memory"
    )


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "txt"])
def test_fault_130_a_file_that_expands_too_far_is_refused_and_read_where_that_is_allowed(
    tmp_path: Path, suffix: str
) -> None:
    first = {"jsonl": ROW, "csv": b"a\nb\n", "txt": b"x\n"}[suffix]
    last = {"jsonl": ROW, "csv": b"b\n", "txt": b"x\n"}[suffix]
    path = written(tmp_path / f"a.{suffix}.gz", gzip.compress(first) + BLANKS * 10 + gzip.compress(last))
    row = {"text": "x"} if suffix == "txt" else {"a": "b"}
    assert read(path) == [row, "too large"]
    with DataFile.open(path, "a", Reading(limits=2)) as file:
        rows = list(file.rows())
    lines = first.count(b"\n") + 80 * MB
    assert [row for _, row in rows] == [row, row]
    assert rows[1][0] == lines + 1


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.json"])
def test_fault_130_a_row_is_limited_in_this_process_too(tmp_path: Path, name: str) -> None:
    long = b'"' + b"x" * (17 * MB) + b'"'
    texts = {"a.jsonl": b'{"a": ' + long + b"}", "a.csv": b"a\n" + long, "a.txt": long}
    path = written(tmp_path / name, texts.get(name, b'[{"a": ' + long + b"}]"))
    with DataFile.open(path, name) as file:
        problem = [row for _, row in file.rows()][-1]
        assert isinstance(problem, RowProblem)
        assert (problem.kind, "--limits 4" in problem.hint) == ("too long", True)
        assert children() == []
    assert isinstance(read(path, limits=2)[-1], dict)


def test_fault_131_xml_is_limited_in_depth_and_in_what_a_row_holds(tmp_path: Path) -> None:
    deep = written(tmp_path / "a.xml", b"<faq><item>" + b"<a>" * 100_000)
    assert read(deep, items="item") == ["not XML"]
    assert "nested more than 100 deep" in refused(deep).what
    wide = written(tmp_path / "b.xml", b"<faq><item>" + b"<a>x</a>" * 90_000 + b"</item></faq>")
    assert read(wide, items="item") == ["too long"]
    assert len(read(wide, items="item", limits=2)[0]["a"]) == 90_000


def test_fault_132_a_table_of_very_many_columns_is_refused_at_once(tmp_path: Path) -> None:
    began = time.process_time()
    names = ",".join(f"column{number}" for number in range(200_000))
    assert read(written(tmp_path / "a.csv", names.encode())) == ["header"]
    names = ",".join(f"column{number}" for number in range(9_000))
    values = ",".join("x" for _ in range(9_000))
    assert len(read(written(tmp_path / "b.csv", f"{names}\n{values}\n".encode()))[0]) == 9_000
    assert time.process_time() - began < 3


def test_fault_133_progress_goes_on_where_no_row_comes(tmp_path: Path) -> None:
    said: list[str] = []
    packed = written(tmp_path / "a.jsonl.gz", gzip.compress(ROW) + BLANKS * 40)
    with DataFile.open(packed, "a", Reading(limits=20)) as file:
        file.say = said.append
        assert len(list(file.rows())) == 1
    assert any(line.startswith("1 rows read, ") and line.endswith(" MB") for line in said)
    plain = written(tmp_path / "a.jsonl", ROW + b"\n" * (9 * MB) + ROW)
    with DataFile.open(plain, "a") as file:
        file.say = said.append
        assert [number for number, _ in file.rows()] == [1, 9 * MB + 2]
    assert said[-1] == "8 MB read"


def test_fault_134_no_child_is_left_when_this_process_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from orchestrator.execute.data.data_file import DataFile, Reading\n"
        "with DataFile.open(Path(sys.argv[1]), 'a', Reading(limits=1000)) as file:\n"
        "    rows = file.rows(); next(rows)\n"
        "    print(*(one.read_text() for one in Path('/proc/self/task').glob('*/children')), flush=True)\n"
        "    next(rows)\n"
    )
    argv = [sys.executable, "-c", script, str(endless(tmp_path))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        # A stopped process sees no closed pipe, as one that is busy in a parser.
        os.kill(child, signal.SIGSTOP)
        parent.kill()
        try:
            assert gone(child)
        finally:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def test_fault_135_no_child_is_left_when_its_rows_are_not_all_taken(tmp_path: Path) -> None:
    path = endless(tmp_path)
    with DataFile.open(path, "a", Reading(limits=1000)) as file:
        assert len(list(islice(file.rows(), 1))) == 1
        assert len(children()) == 1
    assert children() == []
    with DataFile.open(path, "a", Reading(limits=1000)) as file:
        file.say = _interrupt
        with pytest.raises(Interrupted):
            list(file.rows())
    assert children() == []


def _interrupt(_: str) -> None:
    raise Interrupted(Problem("interrupted"), signum=signal.SIGINT)


def test_fault_136_the_child_has_no_network_and_no_environment(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_the_user")
    with DataFile.open(endless(tmp_path), "a", Reading(limits=1000)) as file:
        next(file.rows())
        proc = Path(f"/proc/{children()[0]}")
        status = (proc / "status").read_text(encoding="ascii")
        confined = (proc / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        assert confined or "Seccomp:\t2" in status or reader_process.OPEN_NETWORK in file.notes
        assert "NoNewPrivs:\t1" in status
        assert b"hf_secret" not in (proc / "environ").read_bytes()


def test_fault_137_values_that_json_lacks_are_never_taken_for_text(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    day = dt.datetime(2024, 1, 5, tzinfo=dt.UTC)
    row = {
        "text": "一",
        "number": 3,
        "none": None,
        "list": ["二"],
        "object": {"a": 1},
        "day": day,
        "bytes": b"PNG",
        "nothing": b"",
        "price": decimal.Decimal("1.50"),
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    (found,) = read(tmp_path / "a.parquet")
    plain = ("text", "number", "none", "list", "object")
    assert {key: found[key] for key in plain} == {key: row[key] for key in plain}
    assert found["day"] == {"datetime": "2024-01-05 00:00:00+00:00"}
    assert (found["bytes"], found["nothing"]) == ({"bytes": 3}, None)
    assert found["price"] == {"Decimal": "1.50"}


def test_the_files_of_a_folder_share_one_child(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        written(tmp_path / f"{name}.jsonl.gz", gzip.compress(ROW * 2))
    started = set()
    with DataFile.open(tmp_path, "folder") as file:
        for number, row in file.rows():
            assert row == {"a": "b"}
            assert file.locate(number).startswith("folder/")
            started |= set(children())
        assert number == 6
    assert len(started) == 1


def test_a_file_that_is_replaced_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl.gz", gzip.compress(ROW))
    with DataFile.open(path, "a") as file:
        written(tmp_path / "other", gzip.compress(ROW * 2)).replace(path)
        with pytest.raises(UsageError, match="replaced while it was read"):
            file.rows()
