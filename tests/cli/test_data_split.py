"""`conch data split`: parts that share no question, appear whole or not at all, and are the same again."""
# Covers execute/data/split.py

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main

MAIN = "from orchestrator.cli.main import main; main()"


def row(number: int, question: str = "") -> dict[str, Any]:
    asked = question or f"第{number}个问题怎么办"
    return {"instruction": asked, "output": f"答{number}", "科室": "内科" if number % 4 else "外科"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """100 rows, ten of which ask the same in other spellings."""
    path = tmp_path / "华佗.jsonl"
    rows = [row(n, "头疼怎么办" + "？" * (n // 10) if n % 10 == 3 else "") for n in range(100)]
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return path


def split(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code = main.run(["data", "split", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def questions(path: Path) -> list[str]:
    return [one["messages"][0]["content"].rstrip("？") for one in lines(path)]


def test_parts_have_their_shares_and_share_no_question(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "parts"
    code, said = split(capsys, source, "--out-dir", out)
    assert code == 0
    assert {one["part"]: one["rows"] for one in said["data"]["parts"]} == {
        "train": 70,
        "validation": 10,
        "test": 20,
    }
    names = {"train": "华佗", "validation": "华佗_validation", "test": "华佗_test"}
    found = {part: set(questions(out / f"{name}.jsonl")) for part, name in names.items()}
    assert not found["train"] & found["test"]
    assert not found["train"] & found["validation"]
    assert not found["test"] & found["validation"]
    for one in said["data"]["parts"]:
        assert one["sha256"] == "sha256:" + hashlib.sha256(Path(one["file"]).read_bytes()).hexdigest()
    info = json.loads((out / "dataset_info.json").read_text(encoding="ascii"))
    assert {name: entry["file_name"] for name, entry in info.items()} == {
        name: f"{name}.jsonl" for name in names.values()
    }
    assert all(len(entry["tags"]) == 7 for entry in info.values())
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["dataset_info.json", *(f"{name}.jsonl" for name in names.values())]
    )


def test_the_same_command_gives_the_same_files(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        _, said = split(capsys, source, "--out-dir", tmp_path / folder, "--seed", seed)
        hashes.append([one["sha256"] for one in said["data"]["parts"]])
    assert hashes[0] == hashes[1] != hashes[2]


def test_parts_are_stratified_by_a_column(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--parts", "train=8,test=2", "--stratify", "科室"]
    code, _ = split(capsys, source, "--out-dir", tmp_path / "p", *words)
    assert code == 0
    answers = [int(one["messages"][1]["content"][1:]) for one in lines(tmp_path / "p/华佗_test.jsonl")]
    counts = Counter("内科" if number % 4 else "外科" for number in answers)
    assert counts.total() == 20
    assert abs(counts["外科"] - 5) <= 1
    code, said = split(capsys, source, "--out-dir", tmp_path / "q", "--stratify", "年龄")
    assert code == 2
    assert 'no column "年龄" to stratify by' in said["problems"][0]["what"]
    assert list((tmp_path / "q").iterdir()) == []


@pytest.mark.parametrize(
    "parts",
    [
        "train=7",
        "test=3,validation=2",
        "train=7,test",
        "train=0,test=1",
        "train=1,tset=1",
        "train=1,train=2",
        "",
    ],
)
def test_parts_that_are_none_are_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], parts: str
) -> None:
    code = main.run(["data", "split", str(source), "--out-dir", str(tmp_path / "p"), "--parts", parts])
    assert code == 2
    assert "--parts" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_faults_leave_nothing_unless_they_are_left_out(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with source.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"instruction": "问", "output": ""}) + "\n")
    out = tmp_path / "p"
    code, said = split(capsys, source, "--out-dir", out)
    assert code == 2
    assert said["problems"][-1]["hint"].startswith("--fix makes the safe repairs")
    assert list(out.iterdir()) == []
    code, said = split(capsys, source, "--out-dir", out, "--drop-bad")
    assert (code, sum(one["rows"] for one in said["data"]["parts"])) == (0, 100)
    assert lines(out / "华佗.dropped.jsonl")[0]["where"].endswith("华佗.jsonl:101")


def test_what_is_there_is_kept_unless_forced(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p"
    out.mkdir()
    (out / "华佗_test.jsonl").write_text("mine", encoding="utf-8")
    code, _ = split(capsys, source, "--out-dir", out)
    assert code == 2
    assert (out / "华佗_test.jsonl").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in out.iterdir()) == ["华佗_test.jsonl"]
    assert split(capsys, source, "--out-dir", out, "--force")[0] == 0
    code, said = split(capsys, source, "--out-dir", source.parent, "--force")
    assert (code, said["problems"][0]["what"]) == (2, "the output is the input")


def test_too_few_rows_say_how_many_are_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(row(1)) + "\n", encoding="utf-8")
    code, said = split(capsys, path, "--out-dir", tmp_path / "p")
    assert code == 2
    assert said["problems"][0]["hint"].startswith("at least 3 different questions")


def test_a_file_that_is_not_there_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert split(capsys, tmp_path / "none.jsonl", "--out-dir", tmp_path / "p")[0] == 3


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_leaves_no_part(tmp_path: Path, signum: signal.Signals) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row(n), ensure_ascii=False) + "\n" for n in range(200_000))
    out = tmp_path / "p"
    argv = [sys.executable, "-c", MAIN, "data", "split", str(path), "--out-dir", str(out)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 30
        while not (out.exists() and list(out.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signum)
        code = child.wait(30)
    assert code == (-9 if signum == signal.SIGKILL else 128 + signum)
    assert not [one for one in out.iterdir() if not one.name.startswith(".")]
    left = [one.name for one in out.iterdir()]
    assert signum == signal.SIGKILL or left == []
