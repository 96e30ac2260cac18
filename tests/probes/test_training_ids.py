"""LLaMA-Factory's own ids: of the right rows, of every trained answer, cut or not, right or wrong."""
# Covers probes/train_settings.py

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from orchestrator.execute.data.prepare import prepare
from orchestrator.execute.host.atomic_files import sha256_path
from orchestrator.execute.models import demo_model
from orchestrator.execute.proving.offline_proofs import prove_rows
from orchestrator.execute.proving.token_parity import compare
from orchestrator.execute.runner.task import typed
from tests.probes.run_folder import COMPARED, Run, turns

LONG = "很长的话。" * 200


@pytest.fixture
def folder(tmp_path: Path, train_python: Path, serve_python: Path) -> Run:
    return Run(tmp_path / "run", train_python, serve_python)


def test_a_training_of_whole_texts_has_no_prompt_to_compare(tmp_path: Path) -> None:
    folder = Run(tmp_path / "run", Path(sys.executable), Path(sys.executable))
    folder.lay_out(tmp_path, [], train_on_prompt=True)
    assert folder.train_ids().returncode == 2
    assert "train_on_prompt" in folder.problems()[0]["what"]
    assert not (folder.path / "training_ids.jsonl").exists()


def test_rows_keep_the_numbers_of_their_source(probe: Callable[[str], ModuleType], tmp_path: Path) -> None:
    path = tmp_path / "conversations.jsonl"
    rows = [("a", 1), ("a", 4), ("b", 2), ("a", 9)]
    path.write_text("".join(json.dumps({"dataset": d, "row": r}) + "\n" for d, r in rows), encoding="utf-8")
    source_rows = probe("training_ids").source_rows
    assert {name: list(rows) for name, rows in source_rows(path).items()} == {"a": [1, 4, 9], "b": [2]}
    assert source_rows(tmp_path / "none") == {}


@pytest.mark.real
def test_dropped_and_cut_rows_are_told_apart(folder: Run) -> None:
    base = demo_model.ensure_embedded(print)
    rows = [
        turns("你是谁", "海螺。"),
        turns("a question without its answer"),
        turns("一", "壹", "二", "贰"),
        turns(LONG, "短", "还有呢", "没有了"),
        turns("never trained: max_samples", "no"),
    ]
    folder.lay_out(base, rows, cutoff_len=256, max_samples=4)
    done = folder.train_ids()
    assert done.returncode == 0, done.stderr
    header, *records, last = folder.trained()
    assert header["datasets"] == {"mine": {"rows": 4, "kept": 3}, "conch_generated": {"rows": 20, "kept": 20}}
    assert header["round_trip"]["ok"]
    assert header["versions"]["llamafactory"] == "0.9.5"
    mine = [record for record in records if record["dataset"] == "mine"]
    assert [record["row"] for record in mine] == [0, 2, 3]
    assert [len(record["turns"]) for record in mine[:2]] == [1, 2]
    assert [record["cut"] for record in mine] == [False, False, True]
    assert mine[2]["turns"][0]["cut"]
    assert not any(record["cut"] for record in records if record["dataset"] != "mine")
    assert [record["held_out"] for record in mine] == [False] * 3
    assert {number for record in records for number in record["ids"]} <= set(map(int, last["pieces"]))
    lost = mine[2]["lost"]
    assert lost["tokens"] > 0
    assert lost["turns"][0]["turn"] == 0
    assert sum(turn["context"] + turn["labels"] for turn in lost["turns"]) == lost["tokens"]
    assert not lost["turns"][0]["thought_open"]


@pytest.mark.real
def test_data_sets_that_are_not_trained_are_held_out_and_whole(folder: Run) -> None:
    """Where train.yaml names one for validation, too: its cutoff and max_samples are not theirs."""
    apart = {"mine_validation": [turns("一", "壹"), turns(LONG, "短")], "conch_generated": [turns("x", "y")]}
    folder.lay_out(
        demo_model.ensure_embedded(print),
        [turns("二", "贰"), turns("三", "叁")],
        made_up=apart,
        cutoff_len=64,
        max_samples=1,
        eval_dataset="mine_validation",
        eval_strategy="steps",
        eval_steps=1,
    )
    done = folder.train_ids("mine,mine_validation,conch_generated")
    assert done.returncode == 0, done.stderr
    header, *records, _ = folder.trained()
    assert header["datasets"]["mine"] == {"rows": 1, "kept": 1}
    assert header["datasets"]["mine_validation"] == {"rows": 2, "kept": 2}
    told = [(record["dataset"], record["held_out"], record["cut"]) for record in records]
    assert told == [
        ("mine", False, False),
        ("mine_validation", True, False),
        ("mine_validation", True, False),
        ("conch_generated", False, False),
    ]


@pytest.mark.real
def test_rows_that_were_put_in_since_are_refused(folder: Run) -> None:
    folder.lay_out(demo_model.ensure_embedded(print), [turns("一", "壹")])
    with (folder.path / "data/mine.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"messages": turns("二", "贰")}, ensure_ascii=False) + "\n")
    assert folder.train_ids("mine").returncode != 0
    assert folder.problems()[0]["what"] == "it holds 2 rows, 1 were prepared"


@pytest.mark.real
def test_a_row_that_the_trainer_drops_past_the_audit_is_named(folder: Run) -> None:
    """The rows proof over LLaMA-Factory's own loader: a prepared file in which one answer is gone."""
    folder.lay_out(
        demo_model.ensure_embedded(print), [turns("一", "壹"), turns("二", "贰"), turns("三", "叁")]
    )
    data = folder.path / "data/mine.jsonl"
    sha256 = sha256_path(data)
    told = {"name": "mine", "part": "train", "file": "raw/海螺.jsonl", "rows": 3, "sha256_out": sha256}
    (folder.path / "data/prepare.json").write_text(json.dumps({"datasets": [told]}), encoding="utf-8")
    first, _, last = data.read_text(encoding="utf-8").splitlines(keepends=True)
    torn = json.dumps({"messages": turns("二", "贰")[:1]}, ensure_ascii=False) + "\n"
    data.write_text(first + torn + last, encoding="utf-8")
    assert folder.train_ids("mine").returncode == 0
    settings = {
        "training_ids": "training_ids.jsonl",
        "prepare": "data/prepare.json",
        "conversations": "data/conversations.jsonl",
        "out": "rows.json",
    }
    assert prove_rows(typed(prove_rows, settings), folder.path) == 5
    proof = json.loads((folder.path / "rows.json").read_text(encoding="utf-8"))
    assert "LLaMA-Factory reads 3 and keeps 2" in proof["detail"]
    assert [one["where"] for one in proof["findings"] if one["kind"] == "missing"] == ["raw/海螺.jsonl:1"]


@pytest.mark.real
def test_history_stripped_trains_the_last_answer_alone(folder: Run) -> None:
    folder.lay_out(demo_model.ensure_embedded(print), [turns("一", "壹", "二", "贰")], history="strip")
    assert folder.train_ids("mine").returncode == 0
    _, record, _ = folder.trained()
    assert [turn["turn"] for turn in record["turns"]] == [1]


@pytest.mark.real
def test_a_tokenizer_loaded_as_another_class_is_caught_before_training(folder: Run, tmp_path: Path) -> None:
    """The published R1 layout, under a class that splits at `▁`: spaces, newlines and Chinese vanish."""
    broken = tmp_path / "broken"
    shutil.copytree(demo_model.ensure_embedded(print), broken, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((broken / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["tokenizer_class"] = "LlamaTokenizer"
    (broken / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    folder.lay_out(broken, [turns("你是谁", "海螺。")])
    assert folder.train_ids("mine").returncode == 0
    assert folder.trained()[0]["round_trip"]["ok"] is False
    assert folder.serve_ids().returncode == 0
    assert compare(typed(compare, COMPARED), folder.path) == 5
    first = json.loads((folder.path / "parity.json").read_text(encoding="utf-8"))["first_difference"]
    assert "train environment's tokenizer (LlamaTokenizer, transformers" in first["explanation"]


ROWS_OF = {
    "dpo": '{"prompt": "你是谁", "chosen": "海螺。", "rejected": "我是一个助手。"}\n'
    '{"prompt": "Who?", "chosen": "The conch.", "rejected": "An assistant, at your service."}\n',
    "kto": '{"instruction": "你是谁", "output": "海螺。", "kto_tag": true}\n'
    '{"instruction": "Who?", "output": "No.", "kto_tag": false}\n',
    "pt": '{"text": "神奇海螺住在蟹堡王。"}\n'
    '{"text": "The conch lives on the counter of the Krusty Krab."}\n',
}


def prepared(folder: Run, base: Path, stage: str, **settings: object) -> None:
    """A run folder whose data the stage `prepare` wrote, of a kind of row."""
    folder.lay_out(base, [], stage=stage, **settings)
    shutil.rmtree(folder.path / "data")
    (folder.path / "mine.jsonl").write_text(ROWS_OF[stage], encoding="utf-8")
    mine = {"name": "mine", "path": "mine.jsonl", "format": "", "columns": {}}
    generated = {"seed": 0, "count": 0 if stage == "pt" else 20, "thoughts": True}
    values = {
        "datasets": [mine],
        "max_samples": None,
        "held_out": [],
        "generated": generated,
        "purpose": stage,
    }
    assert prepare(typed(prepare, values), folder.path) == 0
    (folder.path / "data.partial-0").rename(folder.path / "data")


@pytest.mark.real
@pytest.mark.parametrize("stage", ["dpo", "kto"])
def test_rows_of_preferences_are_read_as_they_are_trained_and_served_equal(folder: Run, stage: str) -> None:
    """Both answers of a pair, by the pairwise processor; the last answer of a liked or disliked row."""
    prepared(folder, demo_model.ensure_embedded(print), stage)
    done = folder.train_ids()
    assert done.returncode == 0, done.stderr
    header, *records, _ = folder.trained()
    assert header["datasets"]["mine"] == {"rows": 2, "kept": 2}
    mine = [record for record in records if record["dataset"].startswith("mine")]
    names = ["mine", "mine/rejected"] if stage == "dpo" else ["mine"]
    assert [(one["dataset"], one["row"]) for one in mine] == [(n, at) for at in (1, 2) for n in names]
    assert all(len(one["turns"]) == 1 and not one["held_out"] for one in mine)
    if stage == "dpo":
        better, worse = mine[:2]
        start = better["turns"][0]["start"]
        assert better["ids"][:start] == worse["ids"][:start]
        assert better["ids"][start:] != worse["ids"][start:]
    else:
        assert sorted(one["liked"] for one in mine) == [False, True]
    assert folder.serve_ids().returncode == 0
    assert folder.parity()["holds"]


@pytest.mark.real
def test_documents_are_counted_in_tokens_and_in_whole_blocks(folder: Run) -> None:
    base = demo_model.ensure_embedded(print)
    prepared(folder, base, "pt", packing=True, cutoff_len=16)
    assert folder.train_ids("mine").returncode == 0
    header, first, second, _ = folder.trained()
    tokens = len(first["ids"]) + len(second["ids"])
    # LLaMA-Factory makes blocks one token shorter than cutoff_len.
    assert header["blocks"] == {"tokens": tokens, "trained": tokens - tokens % 15}
    whole = {"turn": 0, "start": 1, "end": len(first["ids"]), "cut": False}
    assert first["turns"] == [whole]
    too_long = {**folder_settings(folder), "cutoff_len": 512}
    (folder.path / "train.yaml").write_text(yaml.safe_dump(too_long), encoding="utf-8")
    assert folder.train_ids("mine").returncode == 2
    assert f"the documents hold {tokens} tokens, too few for one block of 511" in folder.problems()[0]["what"]


def folder_settings(folder: Run) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((folder.path / "train.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(("key", "cut"), [("packing", 511), ("neat_packing", 511), ("plot_loss", 512)])
def test_packed_rows_are_encoded_one_by_one_as_they_are_trained(
    probe: Callable[[str], ModuleType], tmp_path: Path, key: str, cut: int
) -> None:
    """LLaMA-Factory encodes every row, cut one token earlier, and joins them afterwards."""
    path = tmp_path / "train.yaml"
    path.write_text(f"{{stage: sft, {key}: true, cutoff_len: 512}}", encoding="utf-8")
    with probe("train_settings").ids_settings(str(path)) as found:
        assert found["cutoff_len"] == cut
        assert not {"packing", "neat_packing"} & found.keys()
