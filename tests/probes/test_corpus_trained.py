"""LLaMA-Factory's own loader keeps, of every file of the corpus, the rows that Conch says, token by token.

Each file is converted by Conch and loaded by LLaMA-Factory; where LLaMA-Factory reads the file as it was
given,
that is loaded too, under an entry that names every column, and the tokens of the rows that Conch calls whole
must be there, in order. What LLaMA-Factory trains besides are rows that Conch refuses because they would be
trained wrongly.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets.base import DPO, SFT, RowProblem
from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.targets import LINES, TAGS, FirstBlock, entry_of
from orchestrator.execute.data.data_file import DataFile, Reading
from orchestrator.execute.models import demo_model
from tests.datasets.corpus_world import CORPUS, Entry, entries, read

LOADER = Path(__file__).with_name("corpus_loader.py")
# What LLaMA-Factory opens by its name; what else Conch reads, it refuses.
SUFFIXES = {".json", ".jsonl", ".csv", ".parquet", ".arrow"}
STAGES = {DPO: "rm"}
# (name, format, whether with repairs)
WAYS = (("strict", "sharegpt", False), ("fixed", "sharegpt", True), ("alpaca", "alpaca", True))
# Files that LLaMA-Factory reads as they are, but otherwise than they are meant, in every row.
OTHERWISE = {
    "63_ragged.csv": "a third cell makes the first column an index",
    "openai_reasoning.jsonl": "the thought beside the answer would be left out",
    "openai_tool_calls.jsonl": "the call would be left out",
}


def write(folder: Path, entry: Entry, form: str, *, fix: bool) -> int | None:
    """Convert a file as `conch data convert` does; the rows kept, None where it writes nothing."""
    name, audit, kept = read(entry, fix=fix)
    first, write = FirstBlock(form), LINES[form]
    try:
        lines = [write(example) for _, example in kept]
    except RowProblem:
        return None
    for (_, example), line in zip(kept, lines, strict=True):
        first.see(example, len(line))
    if not lines or first.problems("") or (fix and audit.problems()):
        return None
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_bytes(b"".join(lines))
    info = {"rows": entry_of("rows.jsonl", form, FORMATS[name].purpose)}
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return len(lines)


def give(folder: Path, entry: Entry) -> bool:
    """Put a file into a folder as it is, under an entry that names all its columns; False where none can."""
    path = CORPUS / entry.file
    if path.suffix not in SUFFIXES or entry.reading:
        return False
    name, audit, _ = read(entry, fix=False)
    with DataFile.open(path, entry.file, Reading()) as file:
        keys = {key for _, row in file.rows() if not isinstance(row, RowProblem) for key in row}
    columns = {part: column for part, column in audit.columns.items() if column in keys}
    if name in ("alpaca", "question_answer"):
        kept = ("prompt", "query", "response", "history", "system")
        info: dict[str, Any] = {"columns": {part: columns[part] for part in kept if part in columns}}
    elif name in ("sharegpt", "openai"):
        role, content, user, assistant = (
            ("from", "value", "human", "gpt")
            if name == "sharegpt"
            else ("role", "content", "user", "assistant")
        )
        own = {"role_tag": role, "content_tag": content, "user_tag": user, "assistant_tag": assistant}
        info = {"formatting": "sharegpt", "columns": {"messages": columns["messages"]}, "tags": TAGS | own}
    else:
        return False
    folder.mkdir(parents=True)
    shutil.copy(path, folder / f"rows{path.suffix}")
    info["file_name"] = f"rows{path.suffix}"
    (folder / "dataset_info.json").write_text(json.dumps({"rows": info}), encoding="utf-8")
    return True


def readable() -> Iterator[Entry]:
    for entry in entries():
        if "refused" not in entry.verdict:
            yield entry


@pytest.mark.real
def test_llamafactory_keeps_what_conch_says(train_python: Path, tmp_path: Path) -> None:
    wanted: dict[str, int] = {}
    sets: list[dict[str, str]] = []
    for number, entry in enumerate(readable()):
        purpose = FORMATS[entry.verdict["format"]].purpose
        for way, form, fix in WAYS:
            folder = tmp_path / f"{number}-{way}"
            rows = write(folder, entry, form, fix=fix)
            if rows is not None:
                wanted[f"{entry.name}|{way}"] = rows
                stage = STAGES.get(purpose, purpose)
                sets.append({"id": f"{entry.name}|{way}", "folder": str(folder), "stage": stage})
        if purpose == SFT and give(tmp_path / f"{number}-given", entry):
            sets.append(
                {"id": f"{entry.name}|given", "folder": str(tmp_path / f"{number}-given"), "stage": SFT}
            )
    found = load(train_python, tmp_path, sets)
    kept = {name: len(one["ids"]) if "ids" in one else one["error"] for name, one in found.items()}
    assert {name: kept[name] for name in wanted} == wanted
    compared = 0
    for entry in readable():
        given, ours = (found.get(f"{entry.name}|{way}", {}).get("ids") for way in ("given", "strict"))
        if given is None or ours is None or entry.file in OTHERWISE:
            continue
        rest = iter(given)
        assert all(any(ids == one for one in rest) for ids in ours), entry.name
        compared += 1
    assert compared >= 50, f"only {compared} files are read by both"


def load(python: Path, scratch: Path, sets: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    job = {"base": str(demo_model.ensure_embedded(print)), "scratch": str(scratch / "out"), "sets": sets}
    (scratch / "job.json").write_text(json.dumps(job), encoding="utf-8")
    done = subprocess.run(
        [python, LOADER, scratch / "job.json", scratch / "found.jsonl"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(scratch), "HF_DATASETS_CACHE": str(scratch / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = (scratch / "found.jsonl").read_text(encoding="utf-8").splitlines()
    return {one.pop("id"): one for one in map(json.loads, lines)}
