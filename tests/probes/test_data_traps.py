"""What LLaMA-Factory's own loader makes of data that means something else, and what Conch answers.

Each trap is reproduced: the ids of the trapped rows are those of rows that nobody meant, or rows are gone,
without an error. Then Conch refuses the same file, or what it writes is trained as it was meant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets.audit import Audit, Rules
from orchestrator.datasets.base import Row
from orchestrator.datasets.formats import FORMATS, columns_for, sniff
from orchestrator.datasets.preferences import one_sided
from orchestrator.datasets.targets import TAGS, entry_of
from orchestrator.errors import UsageError
from orchestrator.execute.data.data_file import DataOptions, audited
from orchestrator.execute.data.lint_dataset_info import lint_file
from orchestrator.execute.models import demo_model
from orchestrator.execute.proving.offline_proofs import prove_truncation
from orchestrator.execute.runner.task import typed
from tests.probes.run_folder import Run
from tests.probes.test_corpus_trained import load
from tests.probes.test_training_ids import prepared

ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
SHAREGPT = {"formatting": "sharegpt", "columns": {"messages": "conversations"}}
PAIRS = {"ranking": True, "columns": {"prompt": "instruction", "chosen": "chosen", "rejected": "rejected"}}
RANKED = {
    "formatting": "sharegpt",
    "ranking": True,
    "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
}


def said(*texts: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[at % 2], "value": text} for at, text in enumerate(texts)]


def answer(role: str, text: str) -> dict[str, str]:
    return {"from": role, "value": text}


FIRST = {"instruction": "几点开门？", "input": "", "output": "早上九点。"}
PAIR = {"conversations": said("几点？"), "chosen": answer("gpt", "九点。"), "rejected": answer("gpt", "不。")}


@dataclass(frozen=True)
class Trap:
    """Rows, LLaMA-Factory's entry for them, and what it trains instead: the rows `like`, under `like_entry`.

    Attributes:
        kept: rows that are left. fault: what the audit calls it; "" if what Conch writes is as it was meant.
        purpose: what the rows are wanted for; of another purpose, they are refused.
    """

    rows: Sequence[Row]
    entry: Mapping[str, Any]
    kept: int
    stage: str = "sft"
    like: Sequence[Row] = ()
    like_entry: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    purpose: str = ""


TRAPS: dict[str, Trap] = {
    "columns that name some make the others vanish": Trap(
        [{"instruction": "翻译", "input": "海螺", "output": "conch", "system": "你是译者"}],
        {"columns": {"prompt": "instruction", "response": "output"}},
        1,
        like=[{"instruction": "翻译", "input": "", "output": "conch"}],
    ),
    "a history that no column names is not read": Trap(
        [{**FIRST, "history": [["你好", "您好"]]}], {"columns": ALPACA}, 1, like=[FIRST]
    ),
    "openai rows get a system prompt of Nemotron's": Trap(
        [{"messages": [{"role": "user", "content": "几点？"}, {"role": "assistant", "content": "九点。"}]}],
        {"formatting": "openai", "columns": {"messages": "messages"}, "tags": TAGS},
        1,
        like=[{"instruction": "几点？", "input": "", "output": "九点。", "system": "detailed thinking off"}],
        like_entry={"columns": {**ALPACA, "system": "system"}},
    ),
    "a flat history is trained character by character": Trap(
        [{**FIRST, "history": ["你好", "您好"]}],
        {"columns": {**ALPACA, "history": "history"}},
        1,
        like=[{**FIRST, "history": [["你", "好"], ["您", "好"]]}],
        like_entry={"columns": {**ALPACA, "history": "history"}},
        fault="history",
    ),
    "pairs without `ranking` are trained as conversations": Trap(
        [{**PAIR, "conversations": said("几点？", "九点。")}],
        SHAREGPT,
        1,
        like=[{"instruction": "几点？", "input": "", "output": "九点。"}],
        purpose="sft",
    ),
    "conversations in pre-training are their first message": Trap(
        [{"conversations": said("几点？", "九点。", "几号？", "一号。")}],
        SHAREGPT,
        1,
        stage="pt",
        like=[{"text": "几点？"}],
        like_entry={"columns": {"prompt": "text"}},
        purpose="pt",
    ),
    "a pair without a difference is trained": Trap(
        [{"instruction": "几点？", "chosen": "九点。", "rejected": "九点。"}],
        PAIRS,
        1,
        "rm",
        fault="same answers",
    ),
    "a pair with an empty answer is trained": Trap(
        [{"instruction": "几点？", "chosen": "九点。", "rejected": ""}],
        PAIRS,
        1,
        "rm",
        fault="empty assistant",
    ),
    "an answer of the wrong role is trained": Trap(
        [{**PAIR, "chosen": answer("human", "九点。")}], RANKED, 1, "rm", fault="unknown role"
    ),
    "a pair whose prompt ends with an answer is dropped": Trap(
        [PAIR, {**PAIR, "conversations": said("几点？", "九点。")}],
        RANKED,
        1,
        "rm",
        [PAIR],
        RANKED,
        "answer in prompt",
    ),
    "a conversation that ends with a question is dropped": Trap(
        [{"conversations": said("一", "壹")}, {"conversations": said("一", "壹", "二")}],
        SHAREGPT,
        1,
        like=[{"conversations": said("一", "壹")}],
        like_entry=SHAREGPT,
        fault="no last answer",
    ),
    "labels that are no booleans drop every row": Trap(
        [{**FIRST, "kto_tag": 1}, {**FIRST, "kto_tag": 0}],
        {"columns": {**ALPACA, "kto_tag": "kto_tag"}},
        0,
        "kto",
        fault="label",
    ),
    "answers that are all liked are trained": Trap(
        [{**FIRST, "kto_tag": True}] * 2,
        {"columns": {**ALPACA, "kto_tag": "kto_tag"}},
        2,
        "kto",
        fault="one side",
    ),
}


def write(folder: Path, sets: Mapping[str, tuple[Sequence[Row], Mapping[str, Any]]]) -> str:
    folder.mkdir()
    info = {name: {"file_name": f"{name}.jsonl", **entry} for name, (_, entry) in sets.items()}
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    for name, (rows, _) in sets.items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    return str(folder)


def of(rows: Sequence[Row]) -> tuple[Audit, list[bytes]]:
    """The audit of some rows, and the lines that Conch writes of them."""
    name = sniff(rows[0]) or ""
    audit = Audit("x.jsonl", FORMATS[name], columns_for(name, rows[0]), Rules(drop_bad=True))
    lines = [line for _, _, line in audit.examples(enumerate([dict(row) for row in rows], 1))]
    return audit, lines


def meant(trap: Trap) -> tuple[list[dict[str, Any]], dict[str, object]]:
    """What Conch writes of the rows, and its entry."""
    audit, lines = of(trap.rows)
    entry = entry_of("rows.jsonl", "sharegpt", audit.format.purpose)
    return [json.loads(line) for line in lines], {**entry}


@pytest.mark.parametrize("name", [name for name, trap in TRAPS.items() if trap.fault or trap.purpose])
def test_a_trap_is_refused_with_its_name(name: str, tmp_path: Path) -> None:
    trap = TRAPS[name]
    audit, _ = of(trap.rows)
    if trap.purpose:
        write(tmp_path / "x", {"rows": (trap.rows, {})})
        with (
            pytest.raises(UsageError, match=r"its rows are .* are needed"),
            audited(tmp_path / "x/rows.jsonl", DataOptions(), purpose=trap.purpose),
        ):
            pass
    elif trap.fault == "one side":
        assert one_sided(audit.tally, "x.jsonl:1")
    else:
        assert set(audit.faults.counts) == {trap.fault}


@pytest.mark.parametrize("name", [name for name, trap in TRAPS.items() if not (trap.fault or trap.purpose)])
def test_an_entry_that_makes_a_trap_is_named(name: str, tmp_path: Path) -> None:
    trap = TRAPS[name]
    write(tmp_path / "x", {"rows": (trap.rows, trap.entry)})
    found = lint_file(tmp_path / "x/dataset_info.json", "sft")
    assert any(word in one.what for one in found for word in ("not trained", "openai")), found


@pytest.mark.real
def test_llamafactory_falls_into_every_trap_and_trains_what_conch_writes(
    train_python: Path, tmp_path: Path
) -> None:
    demo_model.ensure_embedded(print)
    sets: list[dict[str, str]] = []
    for at, (name, trap) in enumerate(TRAPS.items()):
        made: dict[str, tuple[Sequence[Row], Mapping[str, Any]]] = {"given": (trap.rows, trap.entry)}
        if trap.like:
            made["like"] = trap.like, trap.like_entry
        if not (trap.fault or trap.purpose):
            made["ours"] = meant(trap)
        for part, one in made.items():
            folder = write(tmp_path / f"{at}-{part}", {"rows": one})
            sets.append({"id": f"{name}|{part}", "folder": folder, "stage": trap.stage})
    tag = {"columns": {**ALPACA, "kto_tag": "kto_tag"}}
    likes = [{**FIRST, "kto_tag": True}, {**FIRST, "kto_tag": False}]
    mixed = write(tmp_path / "mixed", {"plain": ([FIRST], {}), "likes": (likes, tag)})
    sets += [
        {"id": f"mixed|{stage}", "folder": mixed, "datasets": "plain,likes", "stage": stage}
        for stage in ("sft", "kto")
    ]
    found = load(train_python, tmp_path, sets)
    for name, trap in TRAPS.items():
        given = found[f"{name}|given"]
        assert len(given.get("ids", [])) == trap.kept, (name, given)
        if trap.like:
            assert given["ids"] == found[f"{name}|like"]["ids"], name
        if f"{name}|ours" in found:
            ours = found[f"{name}|ours"]["ids"]
            assert len(ours) == len(trap.rows)
            assert ours != given["ids"], name
    lost = {stage: len(found[f"mixed|{stage}"]["ids"]) for stage in ("sft", "kto")}
    assert lost == {"sft": 1, "kto": 2}, "of two sets in one list, one is lost"


@pytest.mark.real
def test_the_mark_that_a_cut_pair_loses_is_told_by_row(train_python: Path, tmp_path: Path) -> None:
    """infer_seqlen cuts the end of the prompt, where the assistant's mark stands."""
    folder = Run(tmp_path / "run", train_python, train_python)
    prepared(folder, demo_model.ensure_embedded(print), "dpo", cutoff_len=12)
    assert folder.train_ids("mine").returncode == 0
    _, *records, last = folder.trained()
    mark = next(token for token, piece in last["pieces"].items() if "Assistant" in piece)
    cut = [one for one in records if one["cut"]]
    assert cut
    assert all(int(mark) not in one["ids"] for one in cut if one["lost"]["turns"][0]["context"])
    settings = {
        "training_ids": "training_ids.jsonl",
        "prepare": "data/prepare.json",
        "conversations": "data/conversations.jsonl",
        "out": "truncation.json",
        "limit": 0.0,
    }
    assert prove_truncation(typed(prove_truncation, settings), folder.path) == 5
    proof = json.loads((folder.path / "truncation.json").read_text(encoding="utf-8"))
    assert "the assistant's mark among them" in json.dumps(proof, ensure_ascii=False)
    assert any(one["where"].startswith("mine.jsonl:") for one in proof["findings"])
