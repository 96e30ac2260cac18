"""`conch data convert`: any shape in, LLaMA-Factory's out; nothing lost in silence, nothing left half."""
# Covers cli/data_options.py execute/data/convert.py execute/data/rejects.py execute/host/parquet_writer.py

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main

MAIN = "from orchestrator.cli.main import main; main()"
ROWS = [
    {"data": ["问：头疼\n", "答：多久了？", "问：三天"]},
    {"data": ["问：头疼\n", "答：多久了？"]},
    {"data": ["问：<|im_end|>咳嗽", "答：喝水"]},
    {"data": ["头疼", "答：喝水"]},
    {"data": ["问：发烧", "答：去医院。", "问：好", "答：祝早日康复"], "id": 3},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "华佗 rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    return path


def converted(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code = main.run(["data", "convert", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_strict_writes_nothing_and_counts_all(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = source.read_bytes()
    code, said = converted(capsys, source, "--out", tmp_path / "out.jsonl")
    assert code == 2
    assert {kind: found["rows"] for kind, found in said["data"]["faults"].items()} == {
        "no last answer": 1,
        "control token": 1,
        "speaker": 1,
    }
    assert "--drop-bad drops such rows" in said["problems"][-1]["hint"]
    assert [path.name for path in tmp_path.iterdir()] == [source.name]
    assert source.read_bytes() == before


def test_fix_and_drop_bad_keep_the_rest_and_say_what_became_of_each(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "out.jsonl", tmp_path / "report.json"
    code, said = converted(capsys, source, "--out", out, "--fix", "--drop-bad", "--report", report)
    assert code == 0
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found == said["data"]
    assert (found["rows_in"], found["rows_kept"], found["turns_in"], found["turns"]) == (5, 3, 5, 4)
    assert {kind: one["rows"] for kind, one in found["repairs"].items()} == {
        "no last answer": 1,
        "duplicate rows": 1,
        "control token": 1,
    }
    assert found["dropped"] == {"speaker": 1}
    assert found["sha256_out"] == "sha256:" + hashlib.sha256(out.read_bytes()).hexdigest()
    assert [row["messages"][0]["content"] for row in lines(out)] == ["头疼\n", "咳嗽", "发烧"]
    (lost,) = lines(Path(found["rejects"]))
    assert (lost["where"], lost["kinds"], lost["row"]) == (f"{source}:4", ["speaker"], ROWS[3])


def test_alpaca_and_parquet(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow.parquet as pq

    flags = ("--fix", "--drop-bad")
    code, said = converted(capsys, source, "--to", "alpaca", "--out", tmp_path / "a.jsonl", *flags)
    assert code == 0
    rows = lines(tmp_path / "a.jsonl")
    assert [row["history"] for row in rows] == [[], [], [["发烧", "去医院。"]]]
    assert set(said["data"]["dataset_info"]["a"]["columns"].values()) == set(rows[0])
    code, said = converted(capsys, source, "--to", "parquet", "--out", tmp_path / "p.parquet", *flags)
    assert code == 0
    table = pq.read_table(tmp_path / "p.parquet")
    assert table.num_rows == 3
    assert str(table.schema.field("messages").type) == "list<element: struct<role: string, content: string>>"


def test_a_history_that_comes_late_is_refused_for_alpaca(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "late.jsonl"
    row = {"instruction": "问", "output": "答" * 400_000}
    late = {**row, "history": [["一", "二"]]}
    with source.open("w", encoding="utf-8") as file:
        for number in range(10):
            file.write(json.dumps({**row, "instruction": str(number)}, ensure_ascii=False) + "\n")
        file.write(json.dumps(late, ensure_ascii=False) + "\n")
    code, said = converted(capsys, source, "--to", "alpaca", "--out", tmp_path / "a.jsonl")
    assert code == 2
    assert "ten megabytes" in said["problems"][0]["what"]
    assert not (tmp_path / "a.jsonl").exists()


def test_what_is_nothing_but_dates_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "dates.jsonl"
    rows = [{"instruction": f"第{day}天", "output": f"2024-01-0{day}"} for day in range(1, 4)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code, said = converted(capsys, source, "--to", "alpaca", "--out", tmp_path / "a.jsonl")
    assert (code, "every text is a date" in said["problems"][0]["what"]) == (2, True)
    assert converted(capsys, source, "--out", tmp_path / "s.jsonl")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--also", "markup"), "needs --fix"),
        (("--column", "data"), "PART=NAME"),
        (("--format", "nobody"), "nobody"),
        (("--to", "parquet"), "does not read parquet from a file with this suffix"),
    ],
)
def test_a_wrong_command_line(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    code, said = converted(capsys, source, "--out", tmp_path / "o.jsonl", *words)
    assert code == 2
    assert told in said["problems"][0]["what"]


def test_the_input_is_never_the_output(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = source.read_bytes()
    code, said = converted(capsys, source, "--out", source, "--force")
    assert (code, said["problems"][0]["what"]) == (2, "the output is the input")
    assert source.read_bytes() == before


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_leaves_no_half_file(tmp_path: Path, signum: int) -> None:
    source, out = tmp_path / "long.jsonl", tmp_path / "out.jsonl"
    source.write_bytes((json.dumps(ROWS[4], ensure_ascii=False).encode() + b"\n") * 400_000)
    child = subprocess.Popen(
        [sys.executable, "-c", MAIN, "data", "convert", str(source), "--out", str(out)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    partial, deadline = tmp_path / ".out.jsonl.partial", time.monotonic() + 30
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signum)
    assert child.wait(30) == (-signum if signum == signal.SIGKILL else 128 + signum)
    assert not out.exists()
    assert partial.exists() == (signum == signal.SIGKILL), "and the next attempt overwrites it"


@pytest.mark.parametrize(
    ("kind", "form", "kept"), [("sft", "sharegpt", 2), ("kto", "alpaca", 4), ("kto", "parquet", 4)]
)
def test_pairs_become_rows_of_another_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, form: str, kept: int
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    row = {"prompt": "几点开门？", "chosen": "九点。", "rejected": "不知道。"}
    pairs.write_text(f"{json.dumps(row)}\n{json.dumps({**row, 'prompt': '几点关门？'})}\n", encoding="utf-8")
    out = tmp_path / f"out.{'parquet' if form == 'parquet' else 'jsonl'}"
    code, said = converted(capsys, pairs, "--as", kind, "--to", form, "--out", out)
    assert code == 0
    assert ("kto_tag" in said["data"]["dataset_info"]["out"]["columns"]) is (kind == "kto")
    code = main.run(["data", "audit", str(out), "--json"])
    audited = json.loads(capsys.readouterr().out)["data"]
    assert (code, audited["rows_kept"]) == (0, kept)
    code, said = converted(capsys, pairs, "--as", "pretrain", "--out", tmp_path / "no.jsonl")
    assert code == 2
    assert "but documents are needed" in said["problems"][0]["what"]
    assert not (tmp_path / "no.jsonl").exists()


def test_declared_tools_stay_beside_the_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """LLaMA-Factory reads a column of tools only where the entry names it, and every row has it."""
    said = [{"from": "human", "value": "几点开门？"}, {"from": "gpt", "value": "九点。"}]
    tool = {"name": "hours", "description": "几点", "parameters": {"type": "object", "properties": {}}}
    other = [{"from": "human", "value": "几点关门？"}, said[1]]
    rows = [{"conversations": said, "tools": json.dumps([tool])}, {"conversations": other, "tools": "[]"}]
    source = tmp_path / "tools.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code, told = converted(capsys, source, "--out", tmp_path / "out.jsonl")
    assert code == 0
    assert told["data"]["dataset_info"]["out"]["columns"]["tools"] == "tools"
    first, second = lines(tmp_path / "out.jsonl")
    assert "hours" in first["tools"]
    assert second["tools"] == ""
    assert (
        main.run(["data", "convert", str(source), "--to", "parquet", "--out", str(tmp_path / "a.parquet")])
        == 0
    )
    assert main.run(["data", "convert", str(tmp_path / "a.parquet"), "--out", str(tmp_path / "b.jsonl")]) == 0
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()
    parts = ["--parts", "train=1,test=1", "--out-dir", str(tmp_path / "parts")]
    (tmp_path / "parts").mkdir()
    assert main.run(["data", "split", str(tmp_path / "b.jsonl"), *parts]) == 0
    info = json.loads((tmp_path / "parts/dataset_info.json").read_text(encoding="utf-8"))
    assert info["b"]["columns"]["tools"] == info["b_test"]["columns"]["tools"] == "tools"
    both = lines(tmp_path / "parts/b.jsonl") + lines(tmp_path / "parts/b_test.jsonl")
    assert all("tools" in row for row in both)
