"""The shapes of LLaMA-Factory's demo files: Conch keeps the rows that its own loaders count, token by token.

The rows are our own, a few of each file's shape (its keys, its nesting, its odd values). docs/data.md lists
what came out of the files themselves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main
from orchestrator.datasets.targets import TAGS
from orchestrator.execute.models import demo_model
from tests.probes.test_corpus_trained import STAGES, load


def text(value: str, kind: str = "text") -> dict[str, str]:
    return {"type": kind, "value": value}


def v1(*said: str) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [
        {"role": roles[at % 2], "content": [text(one)], "loss_weight": float(at % 2)}
        for at, one in enumerate(said)
    ]


SHAREGPT = {"formatting": "sharegpt"}
OPENAI_TAGS = {key: TAGS[key] for key in ("role_tag", "content_tag", "user_tag", "assistant_tag")}
ALPACA = [
    {"instruction": "几点开门？", "input": "", "output": "早上九点。"},
    {"instruction": "Translate.", "input": "海螺", "output": "A conch.\n"},
]
PAIRS = [
    {
        "conversations": [
            {"from": "system", "value": "你是海螺。"},
            {"from": "human", "value": "几点开门？"},
        ],
        "chosen": {"from": "gpt", "value": "早上九点。"},
        "rejected": {"from": "gpt", "value": " 不知道。"},
    },
    {
        "conversations": [
            {"from": "human", "value": "Who?"},
            {"from": "gpt", "value": "The conch."},
            {"from": "human", "value": "Where?"},
        ],
        "chosen": {"from": "gpt", "value": "At the harbour."},
        "rejected": {"from": "gpt", "value": "I cannot say."},
    },
]
LIKED = [
    {
        "messages": [
            {"role": "user", "content": f"Question {at}?"},
            {"role": "assistant", "content": f"Answer {at}."},
        ],
        "label": at != 1,
    }
    for at in range(3)
]
SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
TOOL = {"name": "opening_hours", "description": "几点开门", "parameters": SCHEMA}
CALL = {"name": "opening_hours", "arguments": {"place": "harbour"}}
CALLED = [
    {"from": "human", "value": "几点开门？"},
    {"from": "function_call", "value": json.dumps(CALL)},
    {"from": "observation", "value": json.dumps({"open": "9:00"})},
    {"from": "gpt", "value": "早上九点。"},
]
GLAIVE = [
    {"conversations": CALLED, "tools": json.dumps([TOOL], ensure_ascii=False)},
    {"conversations": [CALLED[0], {"from": "gpt", "value": "我不知道。"}], "tools": "[]"},
]
WITH_TOOLS = {**SHAREGPT, "columns": {"messages": "conversations", "tools": "tools"}}
REASONED = [
    {"role": "system", "content": [text("Use the tools.")]},
    {"role": "user", "content": [text("When does it open?")]},
    {
        "role": "assistant",
        "content": [text("I have to ask.", "reasoning"), *[text(json.dumps(CALL), "tool_call")] * 2],
    },
    {"role": "tool", "content": [text(json.dumps([{"open": "9:00"}, {"open": "9:00"}]))]},
    {"role": "assistant", "content": [text("It is nine.", "reasoning"), text("At nine.")]},
]
# file → (its rows, LLaMA-Factory's entry for it (data/dataset_info.json); None for files of its v1)
FILES: dict[str, tuple[Any, dict[str, Any] | None]] = {
    "alpaca_en_demo.json": (ALPACA, {}),
    "alpaca_zh_demo.json": (ALPACA[::-1], {}),
    "identity.json": ([{"instruction": "hi", "input": "", "output": "I am {{name}}, by {{author}}."}], {}),
    "glaive_toolcall_en_demo.json": (GLAIVE, WITH_TOOLS),
    "glaive_toolcall_zh_demo.json": (GLAIVE[::-1], WITH_TOOLS),
    "reason_tool_use_demo_50.jsonl": (
        [{"messages": REASONED, "tools": json.dumps([{"type": "function", "function": TOOL}])}],
        None,
    ),
    "dpo_en_demo.json": (
        PAIRS,
        {
            **SHAREGPT,
            "ranking": True,
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        },
    ),
    "dpo_zh_demo.json": (
        PAIRS[::-1],
        {
            **SHAREGPT,
            "ranking": True,
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        },
    ),
    "kto_en_demo.json": (
        LIKED,
        {**SHAREGPT, "columns": {"messages": "messages", "kto_tag": "label"}, "tags": OPENAI_TAGS},
    ),
    "c4_demo.jsonl": (
        [{"text": "A conch.\nIt knows. "}, {"text": "海螺的故事。"}],
        {"columns": {"prompt": "text"}},
    ),
    "wiki_demo.txt": ("海螺住在蟹堡王。\nThe conch is old.\n", {"columns": {"prompt": "text"}}),
    "v1_sft_demo.jsonl": ([{"messages": v1("hi", "Hello!")}, {"messages": v1("一", "二", "三", "四")}], None),
    "v1_dpo_demo.jsonl": (
        [{"chosen_messages": v1("几点？", "九点。"), "rejected_messages": v1("几点？", " 不知道。")}],
        None,
    ),
}


def write(folder: Path, name: str) -> Path:
    rows = FILES[name][0]
    folder.mkdir(parents=True)
    path = folder / name
    if isinstance(rows, str):
        path.write_text(rows, encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=2), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.real
def test_every_row_is_kept_as_llamafactory_keeps_it(
    train_python: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo_model.ensure_embedded(print)
    sets: list[dict[str, str]] = []
    kept: dict[str, int] = {}
    for name, (_, entry) in FILES.items():
        path = write(tmp_path / name / "given", name)
        ours = tmp_path / name / "ours"
        ours.mkdir()
        assert main.run(["data", "convert", str(path), "--out", str(ours / "rows.jsonl"), "--json"]) == 0, (
            name
        )
        said = json.loads(capsys.readouterr().out)["data"]
        kept[name] = said["rows_kept"]
        info = json.dumps({"rows": said["dataset_info"]["rows"]})
        (ours / "dataset_info.json").write_text(info, encoding="utf-8")
        purpose = "dpo" if "ranking" in info else "kto" if "kto_tag" in info else "sft"
        purpose = "pt" if '"text"' in info else purpose
        stage = STAGES.get(purpose, purpose)
        sets.append({"id": f"{name}|ours", "folder": str(ours), "stage": stage})
        if entry is None:
            sets.append({"id": f"{name}|given", "folder": str(path.parent), "stage": "v1", "file": str(path)})
            continue
        info = json.dumps({"rows": {"file_name": name, **entry}})
        (path.parent / "dataset_info.json").write_text(info, encoding="utf-8")
        sets.append({"id": f"{name}|given", "folder": str(path.parent), "stage": stage})
    found = load(train_python, tmp_path, sets)
    for name, (_, entry) in FILES.items():
        ours_found, given = found[f"{name}|ours"], found[f"{name}|given"]
        assert "error" not in ours_found | given, (name, ours_found, given)
        assert len(ours_found["ids"]) == kept[name]
        if entry is None:
            assert given["rows"] == kept[name], name
        else:
            assert ours_found["ids"] == given["ids"], name
