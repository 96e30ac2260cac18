"""prepare: what is written, byte for byte; what is refused; what an interruption leaves."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.targets import entry_of
from orchestrator.errors import MissingError, StageFailed, UsageError
from orchestrator.execute.data import prepare as task
from orchestrator.execute.runner.task import typed

ROW = {"instruction": "怎么修复这个报错", "input": "汉堡食谱为空", "output": "去找食谱。", "history": []}


GENERATED = {"seed": 7, "count": 0, "thoughts": False}


def settings(path: Path, **more: Any) -> dict[str, Any]:
    dataset = {"name": "x", "format": "alpaca", "path": str(path), "columns": {}}
    return {
        "datasets": [{**dataset, **more}],
        "max_samples": None,
        "held_out": [],
        "generated": GENERATED,
    }


def prepare(values: Mapping[str, Any], folder: Path) -> int:
    """Run the task with its settings as JSON values."""
    return task.prepare(typed(task.prepare, values), folder)


def written(path: Path, *rows: Mapping[str, Any], ending: str = "\n") -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + ending for row in rows), encoding="utf-8")
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def test_a_data_set_becomes_what_the_trainer_reads(tmp_path: Path) -> None:
    history = {**ROW, "instruction": "我问了什么？", "input": "", "history": [["一", "二"]], "output": "一"}
    source = written(tmp_path / "raw.jsonl", ROW, history)
    assert prepare(settings(source), tmp_path) == 0
    out = tmp_path / "data.partial-0"
    first, second = lines_of(out / "x.jsonl")
    assert first == {
        "messages": [
            {"role": "user", "content": "怎么修复这个报错\n汉堡食谱为空"},
            {"role": "assistant", "content": "去找食谱。"},
        ]
    }
    assert [turn["content"] for turn in second["messages"]] == ["一", "二", "我问了什么？", "一"]
    together = lines_of(out / "conversations.jsonl")
    assert together[1] == {"dataset": "x", "row": 2, "messages": second["messages"]}
    info = json.loads((out / "dataset_info.json").read_text(encoding="ascii"))
    assert info == {
        name: entry_of(f"{name}.jsonl", "sharegpt", "sft")
        for name in ("x", "conch_generated", "conch_held_out")
    }


def test_a_paraphrase_gets_the_answer_of_the_row_it_asks_for(tmp_path: Path) -> None:
    source = written(
        tmp_path / "raw.jsonl", {**ROW, "instruction": "你是谁", "input": "", "output": "海螺。"}
    )
    lines: list[dict[str, Any]] = [
        {"ask": "你叫什么", "expect": {"contains": "海螺"}, "of": "你是谁"},
        {"ask": "没有的", "expect": {"contains": "?"}, "of": "not trained"},
        {"ask": "无所属", "expect": {"contains": "?"}},
        {"ask": ["一", "二"], "expect": {"contains": "?"}, "of": "你是谁"},
    ]
    written(tmp_path / "p.jsonl", *lines)
    assert prepare(settings(source) | {"held_out": ["p.jsonl"]}, tmp_path) == 0
    out = tmp_path / "data.partial-0"
    held_out = [{"role": "user", "content": "你叫什么"}, {"role": "assistant", "content": "海螺。"}]
    assert lines_of(out / "conch_held_out.jsonl") == [{"messages": held_out}]
    assert lines_of(out / "conversations.jsonl")[-1]["dataset"] == "conch_held_out"


def test_the_report_counts_and_hashes(tmp_path: Path) -> None:
    source = written(tmp_path / "raw.jsonl", {**ROW, "id": 7}, {**ROW, "id": 8})
    prepare(settings(source, format=""), tmp_path)
    out = tmp_path / "data.partial-0"
    report = json.loads((out / "prepare.json").read_text(encoding="utf-8"))
    assert report["datasets"][0] == {
        "name": "x",
        "format": "alpaca",
        "file": "raw.jsonl",
        "part": "train",
        "rows": 2,
        "rows_in": 2,
        "rows_kept": 2,
        "turns_in": 2,
        "turns": 2,
        "warnings": {"duplicate rows": 1},
        "repairs": {},
        "dropped": {},
        "keys_not_used": {"id": 2},
        "sha256_in": "sha256:" + hashlib.sha256(source.read_bytes()).hexdigest(),
        "sha256_out": "sha256:" + hashlib.sha256((out / "x.jsonl").read_bytes()).hexdigest(),
    }


TEXT = 'CR\r\nNEL\x85LS\u2028NUL\x00 🦀👩‍👩‍👧 مرحبا \ufeff e\u0301 "引号" \\n \t '


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_text_arrives_byte_for_byte(tmp_path: Path, ending: str) -> None:
    """Case 25."""
    source = written(tmp_path / "raw.jsonl", {**ROW, "input": "", "instruction": TEXT}, ending=ending)
    source.write_bytes(b"\xef\xbb\xbf" + source.read_bytes())
    prepare(settings(source), tmp_path)
    assert lines_of(tmp_path / "data.partial-0/x.jsonl")[0]["messages"][0]["content"] == TEXT


def test_a_json_array_is_read_too(tmp_path: Path) -> None:
    source = tmp_path / "raw.json"
    source.write_text(json.dumps([ROW] * 3, ensure_ascii=False, indent=2), encoding="utf-8")
    prepare(settings(source), tmp_path)
    assert len(lines_of(tmp_path / "data.partial-0/x.jsonl")) == 3
    report = json.loads((tmp_path / "data.partial-0/prepare.json").read_text(encoding="utf-8"))
    assert report["datasets"][0]["sha256_in"] == "sha256:" + hashlib.sha256(source.read_bytes()).hexdigest()


def test_the_first_rows_are_taken_and_the_whole_file_hashed(tmp_path: Path) -> None:
    source = written(tmp_path / "raw.jsonl", ROW, ROW, {"bad": 1})
    prepare({**settings(source), "max_samples": 2}, tmp_path)
    report = json.loads((tmp_path / "data.partial-0/prepare.json").read_text(encoding="utf-8"))["datasets"][0]
    assert report["rows_in"] == 2
    assert report["sha256_in"] == "sha256:" + hashlib.sha256(source.read_bytes()).hexdigest()


def test_made_up_conversations_stand_beside_the_data(tmp_path: Path) -> None:
    source = written(tmp_path / "raw.jsonl", ROW)
    wanted = {"seed": 7, "count": 5, "thoughts": True}
    prepare({**settings(source), "generated": wanted}, tmp_path)
    out = tmp_path / "data.partial-0"
    alone = lines_of(out / "conch_generated.jsonl")
    together = lines_of(out / "conversations.jsonl")
    assert len(alone) == 5
    assert [row["messages"] for row in together[1:]] == [row["messages"] for row in alone]
    assert [(row["dataset"], row["row"]) for row in together] == [
        ("x", 1),
        *(("conch_generated", n) for n in range(1, 6)),
    ]


def test_rows_that_would_be_lost_stop_the_run(tmp_path: Path) -> None:
    """Cases 21 to 24: counted, with their lines, and nothing is called done."""
    source = written(
        tmp_path / "raw.jsonl", ROW, {**ROW, "output": None}, {**ROW, "history": ["你好", "您好"]}
    )
    with source.open("a", encoding="utf-8") as file:
        file.write('{"instruction": "断')
    with pytest.raises(UsageError) as caught:
        prepare(settings(source), tmp_path)
    problems = caught.value.problems
    assert [problem.where for problem in problems] == [
        "raw.jsonl:2",
        "raw.jsonl:3",
        "raw.jsonl:4",
        "raw.jsonl",
    ]
    assert "3 of 4 rows" in problems[-1].what
    assert not (tmp_path / "data.partial-0/prepare.json").exists()


def test_the_faults_of_every_data_set_are_said_at_once(tmp_path: Path) -> None:
    bad = written(tmp_path / "bad.jsonl", {**ROW, "output": ""})
    twice = settings(bad)["datasets"] + settings(bad, name="y")["datasets"]
    with pytest.raises(UsageError) as caught:
        prepare({**settings(bad), "datasets": twice}, tmp_path)
    assert len(caught.value.problems) == 4


def test_a_shape_that_nobody_knows_is_refused_with_those_that_are(tmp_path: Path) -> None:
    source = written(tmp_path / "raw.jsonl", {"甲方": "你好", "乙方": "您好"})
    with pytest.raises(
        UsageError, match=r"raw\.jsonl:1  no format matches this row \(keys: 甲方, 乙方\)"
    ) as caught:
        prepare(settings(source, format=""), tmp_path)
    assert all(name in caught.value.problems[0].hint for name in ("alpaca", "sharegpt", "openai"))


def test_a_file_without_a_whole_row_is_refused_when_sniffing(tmp_path: Path) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_text("{\n", encoding="utf-8")
    with pytest.raises(UsageError, match="1 of 1 rows"):
        prepare(settings(source, format=""), tmp_path)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='no format named "moss"'):
        prepare(settings(written(tmp_path / "raw.jsonl", ROW), format="moss"), tmp_path)


@pytest.mark.parametrize("kind", ["missing", "folder", "empty"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, kind: str) -> None:
    """Case 20."""
    source = tmp_path / "raw.jsonl"
    if kind == "folder":
        source.mkdir()
    elif kind == "empty":
        source.touch()
    with pytest.raises(MissingError) as caught:
        prepare(settings(source), tmp_path)
    assert caught.value.problems[0].where == "raw.jsonl"


def test_blank_lines_alone_are_no_rows(tmp_path: Path) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_text("\n\n", encoding="utf-8")
    with pytest.raises(UsageError, match="0 rows"):
        prepare(settings(source), tmp_path)


def test_what_an_interrupted_one_left_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "data.partial-0"
    out.mkdir()
    (out / "x.jsonl").write_text("half a li", encoding="utf-8")
    (out / "old.jsonl").write_text("{}", encoding="utf-8")
    prepare(settings(written(tmp_path / "raw.jsonl", ROW)), tmp_path)
    assert not (out / "old.jsonl").exists()
    assert len(lines_of(out / "x.jsonl")) == 1


def test_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 39: /dev/full takes no byte."""
    source = written(tmp_path / "raw.jsonl", ROW)
    real_open = Path.open

    def opened(path: Path, *args: Any, **kwargs: Any) -> Any:
        full = path.name == "conversations.jsonl"
        return real_open(Path("/dev/full") if full else path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(StageFailed, match="disk full"):
        prepare(settings(source), tmp_path)


def test_a_read_only_folder_says_so(tmp_path: Path) -> None:
    source = written(tmp_path / "raw.jsonl", ROW)
    (tmp_path / "runs").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(MissingError):
        prepare(settings(source), tmp_path / "runs")


def test_the_input_is_never_touched(tmp_path: Path) -> None:
    source = written(tmp_path / "raw.jsonl", ROW)
    source.chmod(0o444)
    before = (source.read_bytes(), source.stat().st_mtime_ns)
    prepare(settings(source), tmp_path)
    assert (source.read_bytes(), source.stat().st_mtime_ns) == before


def test_the_project_s_files_are_named_as_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_PROJECT", str(tmp_path))
    folder = tmp_path / "dataset_info/data"
    folder.mkdir(parents=True)
    source = written(folder / "x.jsonl", {**ROW, "output": 3})
    with pytest.raises(UsageError, match=r"dataset_info/data/x\.jsonl:1  \"output\" is a number"):
        prepare(settings(source), tmp_path)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Case 27: ten times the rows, the same peak."""
    import tracemalloc

    peaks = []
    for count in (2_000, 20_000):
        source = tmp_path / f"{count}.jsonl"
        with source.open("w", encoding="utf-8") as file:
            line = json.dumps({**ROW, "output": "蟹" * 500}, ensure_ascii=False) + "\n"
            file.writelines(line for _ in range(count))
        tracemalloc.start()
        prepare(settings(source), tmp_path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@given(st.data())
@settings_of_hypothesis(max_examples=150, deadline=None)
def test_no_file_makes_a_traceback(data: st.DataObject) -> None:
    """A good file with bytes changed, cut or put in: conversations, or words about what is wrong."""
    good = json.dumps({**ROW, "history": [["一", "二"]]}, ensure_ascii=False).encode() * 2
    raw = bytearray(data.draw(st.sampled_from([good, b"[" + good + b"]", good.replace(b"}", b"}\n")])))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 9))] = data.draw(
            st.sampled_from(
                [b"", b"\n", b"\xff", b"\x00", b'"', b"{", b"]", b",", b"null", b"<think>", b"\\ud83d"]
            )
        )
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "raw.jsonl"
        source.write_bytes(raw)
        with suppress(UsageError, MissingError):
            prepare(settings(source, format=data.draw(st.sampled_from(["", *FORMATS]))), Path(name))


def test_tools_reach_the_trainer_and_the_proofs(tmp_path: Path) -> None:
    call = '{"name": "now", "arguments": {}}'
    said = [("human", "几点？"), ("function_call", call), ("observation", "九点"), ("gpt", "九点。")]
    turns = [{"from": role, "value": text} for role, text in said]
    plain = {"conversations": [turns[0], turns[3]]}
    source = written(tmp_path / "raw.jsonl", plain, {"conversations": turns, "tools": [{"name": "now"}]})
    values = settings(source, format="sharegpt", columns={"tools": "tools"})
    assert prepare({**values, "generated": {**GENERATED, "count": 1, "with_tools": 2}}, tmp_path) == 0
    out = tmp_path / "data.partial-0"
    first, second = lines_of(out / "x.jsonl")
    # One row without the key, and LLaMA-Factory would read null where text is expected.
    assert first["tools"] == ""
    assert json.loads(second["tools"])[0]["function"]["name"] == "now"
    info = json.loads((out / "dataset_info.json").read_text(encoding="ascii"))
    assert info["x"]["columns"]["tools"] == info["conch_generated"]["columns"]["tools"] == "tools"
    together = lines_of(out / "conversations.jsonl")
    assert sum(line["messages"][0]["role"] == "tools" for line in together) == 3


def test_tools_that_the_entry_does_not_name_are_not_lost_without_a_word(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "几点？"}, {"from": "gpt", "value": "九点。"}]
    source = written(tmp_path / "raw.jsonl", {"conversations": turns, "tools": [{"name": "now"}]})
    with pytest.raises(UsageError, match="does not name their column") as refused:
        prepare(settings(source, format="sharegpt"), tmp_path)
    assert "columns: {tools: tools}" in refused.value.problems[0].hint
