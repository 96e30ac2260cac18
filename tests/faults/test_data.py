"""Faults of a data file: told with file and line before anything is trained, and never lost in silence."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.small_world import CONCH, SmallWorld

TRAIN = ("sft", "small")
ROW = {"instruction": "你是谁", "input": "", "output": "我是神奇海螺。"}
GOOD = json.dumps(ROW, ensure_ascii=False) + "\n"
MESSAGES = '{"messages":[%s]}\n'
USER, ANSWER = '{"role":"user","content":"问"}', '{"role":"assistant","content":"答"}'


def write(small: SmallWorld, text: str | bytes, name: str = "small.jsonl") -> Path:
    path = small.project / "dataset_info" / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("kind", ["missing", "empty", "folder"])
def test_fault_020_a_file_that_is_none(small: SmallWorld, kind: str) -> None:
    path = write(small, "")
    if kind != "empty":
        path.unlink()
    if kind == "folder":
        path.mkdir()
    said = small.run(*TRAIN)
    assert said.code == 3
    assert "dataset_info/small.jsonl" in said.err
    assert "Traceback" not in said.err


def test_fault_021_a_bad_line_is_told_with_its_number_and_its_text(small: SmallWorld) -> None:
    write(small, GOOD + '{"instruction": "坏\x1b[2J行", "output" \n' + GOOD)
    said = small.run(*TRAIN)
    assert said.code == 2
    assert "dataset_info/small.jsonl:2" in said.err
    assert "坏\\x1b[2J行" in said.err
    assert "\x1b" not in said.err


def test_fault_022_a_torn_last_line(small: SmallWorld) -> None:
    write(small, GOOD + '{"instruction": "你是')
    said = small.run(*TRAIN)
    assert said.code == 2
    assert "dataset_info/small.jsonl:2" in said.err
    assert "looks cut off" in said.err


@pytest.mark.parametrize(
    ("turns", "kind"),
    [
        ([USER, USER, ANSWER], "order of roles"),
        ([USER, '{"role":"assistant","content":""}'], "empty assistant"),
        ([USER, '{"role":"assistant","content":null}'], "null"),
        ([USER, '{"role":"机器人","content":"答"}'], "unknown role"),
        ([USER], "no last answer"),
    ],
)
def test_fault_023_what_would_be_dropped_is_counted(small: SmallWorld, turns: list[str], kind: str) -> None:
    entry = small.project / "dataset_info/small.yaml"
    entry.write_text(entry.read_text(encoding="utf-8").replace("alpaca", "openai"), encoding="utf-8")
    write(small, MESSAGES % f"{USER},{ANSWER}" + MESSAGES % ",".join(turns) * 2)
    said = small.run(*TRAIN)
    assert said.code == 2
    assert f"2 of 3 rows would be dropped or trained wrongly ({kind} 2)" in said.err
    assert "dataset_info/small.jsonl:2" in said.err


@pytest.mark.parametrize(
    "text",
    [
        "两行\r\n还有",
        "\ufeff开头",
        "下一行\x85\u2028\u2029之后",
        "👩‍👩‍👧‍👦 🇨🇳 e\u0301",
        "\u202eمرحبا\u202c שלום",
        "空\0字",
        "\x0b\x0c\x1f",
    ],
)
def test_fault_025_text_reaches_training_as_it_is(small: SmallWorld, text: str) -> None:
    row = {**ROW, "output": f"前{text}后"}
    write(
        small,
        json.dumps(row) + "\n" + json.dumps({**row, "instruction": "另一个"}, ensure_ascii=False) + "\n",
    )
    made = small.project / "made.jsonl"
    said = small.run("data", "convert", "dataset_info/small.jsonl", "--to", "sharegpt", "--out", str(made))
    assert said.code == 0, said.err
    lines = made.read_bytes().split(b"\n")
    assert [json.loads(line)["messages"][-1]["content"] for line in lines[:2]] == [row["output"]] * 2


def test_fault_025_control_lines_as_a_text_has_them_tear_a_row() -> None:
    line = json.dumps({"output": "下一行\x85\u2028之后"}, ensure_ascii=False)
    assert len(line.splitlines()) > 1


def test_fault_026_duplicates_are_told_with_counts(small: SmallWorld) -> None:
    write(small, GOOD * 3 + GOOD.replace("我是", "我不是"))
    said = small.run("data", "audit", "dataset_info/small.jsonl")
    assert said.code == 0
    assert "duplicate rows: 2, first at dataset_info/small.jsonl:2" in said.out
    assert "one question, several answers: 1" in said.out


def test_fault_026_a_question_in_training_and_evaluation_is_refused(small: SmallWorld) -> None:
    write(small, GOOD, "held.jsonl")
    entry = "format: alpaca\nfile: held.jsonl\nlicence: Apache-2.0\nsource: written here\n"
    write(small, entry, "held.yaml")
    small.write_recipe(("{dataset: small}", "{dataset: small, test: held}"))
    said = small.run(*TRAIN)
    assert said.code == 2
    assert "dataset_info/held.jsonl:1" in said.err
    assert "dataset_info/small.jsonl:1" in said.err


def peak_memory(file: Path) -> float:
    """The most memory in MB that an audit of a file took."""
    with subprocess.Popen([CONCH, "data", "audit", str(file)], stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return used.ru_maxrss / 1024


def test_fault_027_memory_does_not_grow_with_the_rows(small: SmallWorld, tmp_path: Path) -> None:
    few, many, long = (tmp_path / f"{name}.jsonl" for name in ("few", "many", "long"))
    few.write_text("".join(GOOD.replace("你", str(number)) for number in range(10)), encoding="utf-8")
    with many.open("w", encoding="utf-8") as file:
        file.writelines(GOOD.replace("你", str(number)) for number in range(100_000))
    long.write_text(GOOD.replace("海螺", "海" * (50_000_000 // 3)), encoding="utf-8")
    least = peak_memory(few)
    assert peak_memory(many) < least + 40, "a hundred thousand questions are remembered in 30 MB"
    # The line, its text at two bytes a character, the line that is made of it, and a copy of each.
    assert peak_memory(long) < least + 8 * 50


@pytest.mark.parametrize(
    ("name", "entry", "code"),
    [
        ("../small", "", 2),
        ("a/b", "", 2),
        ("small", "file: ../../etc/passwd", 2),
        ("small", "file: /etc/passwd", 2),
        ("small", "file: https://example.org/rows.jsonl", 2),
        ("small", "file: load.py", 2),
        ("small", "hub: {id: https://example.org/x}", 2),
        ("small", "hub: {id: owner/name, file: load.py}", 2),
        ("small", "script_url: owner/name", 2),
    ],
)
def test_fault_029_a_data_set_that_is_a_path_out_a_url_or_a_script(
    small: SmallWorld, name: str, entry: str, code: int
) -> None:
    if entry:
        write(small, f"format: alpaca\n{entry}\nlicence: Apache-2.0\nsource: here\n", "small.yaml")
    said = small.run("plan", "small", "--set", f"data.dataset={name}")
    assert said.code == code, said
    assert "Traceback" not in said.err
