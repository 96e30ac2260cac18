"""What it costs to convert a dirty file of 226,043 consultations, against reading and writing it bare.

    .venv/bin/python -m benchmarks.convert_huatuo [--rows 226043] [--times 10] [--before CHECKOUT]

benchmarks/planted_rows.py makes the file; in one run then, as whole processes, imports included:

    bare      orjson reads, parses and writes every line, and looks at nothing
    conch     `conch data convert --to sharegpt --fix --drop-bad --report`
    stdlib    json, every row into a list and the list into a file: as most converters on the web
    datasets  load_dataset, map and to_json in the environment that trains (`conch env sync`)

Bare and Conch take turns, --times each; the ratio is that of their medians. `datasets` stops at the first
broken line and is given the file without those. Exits 1 when Conch takes more than 2.2 × the CPU seconds of
bare, or 120 MB, or its report or its output differs from what was planted; or when, at ten times the rows, it
takes more memory than that, or half more time a row (past 300,000 rows, what was seen lies in arrays).

With --before it only compares, in turn, the conversion with that of another checkout (`git worktree add
CHECKOUT COMMIT`), and exits 1 when it takes more than 1.05 × the CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine

CPU_LIMIT, MEMORY_LIMIT, GROWTH_LIMIT, TIMES_THE_ROWS = 2.2, 120, 1.5, 10
BEFORE_LIMIT = 1.05
ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
CONCH = str(Path(PYTHON).with_name("conch"))
BARE = """
import sys, orjson
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as out:
    for line in source:
        try:
            row = orjson.loads(line)
        except ValueError:
            continue
        out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
"""
STDLIB = """
import json, sys
rows = []
with open(sys.argv[1], encoding="utf-8", errors="ignore") as source:
    for line in source:
        try:
            texts = json.loads(line)["data"]
        except (ValueError, KeyError):
            continue
        texts = [(text or "")[2:] for text in texts]
        pairs = list(zip(texts[::2], texts[1::2]))
        if pairs:
            (asked, said), history = pairs[-1], pairs[:-1]
            rows.append({"instruction": asked, "input": "", "output": said, "history": history})
with open(sys.argv[2], "w", encoding="utf-8") as out:
    json.dump(rows, out, ensure_ascii=False, indent=2)
"""
DATASETS = """
import sys
from datasets import load_dataset
def convert(row):
    texts = [text for text in row["data"] or [] if text]
    roles = {"问": "user", "答": "assistant"}
    return {"messages": [{"role": roles.get(text[:1], "user"), "content": text[2:]} for text in texts]}
rows = load_dataset("json", data_files=sys.argv[1], split="train", cache_dir=sys.argv[3])
rows.map(convert, remove_columns=rows.column_names).to_json(sys.argv[2], force_ascii=False)
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds of a process, its most resident memory in MB, and its exit code."""

    cpu: float
    memory: float
    code: int

    def __str__(self) -> str:
        return f"{self.cpu:7.2f} s CPU, {self.memory:6.0f} MB"


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=226_043)
    options.add_argument("--times", type=int, default=10)
    options.add_argument("--before", type=Path)
    given = options.parse_args()
    if given.before:
        return compare(given.before, given.rows, given.times)
    train = registry.require("train", machine.hardware()) / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="conch-convert-") as scratch:
        folder = Path(scratch)
        source, truth = plant(folder, given.rows)
        bare, conch = in_turn(source, folder, given.times)
        missed = differences(truth, folder)
        report("bare", bare)
        report("conch", conch)
        report("stdlib", [spend([PYTHON, "-c", STDLIB, str(source), str(folder / "stdlib.json")])])
        whole = without_broken_lines(source, folder / "whole.jsonl")
        outs = [str(folder / "datasets.jsonl"), str(folder / "cache")]
        report("datasets", [spend([str(train), "-c", DATASETS, str(whole), *outs])])
        missed += claims(bare, conch)
    with tempfile.TemporaryDirectory(prefix="conch-convert-") as scratch:
        folder = Path(scratch)
        source, truth = plant(folder, given.rows * TIMES_THE_ROWS)
        large = convert(source, folder)
        missed += differences(truth, folder)
        report(f"conch × {TIMES_THE_ROWS}", [large])
        missed += growth(conch, large)
    for what in missed:
        print(f"MISSED: {what}")
    return int(bool(missed))


def compare(before: Path, rows: int, times: int) -> int:
    """This checkout and another one, in turn; 1 if this one takes too long."""
    with tempfile.TemporaryDirectory(prefix="conch-convert-") as scratch:
        folder = Path(scratch)
        source, _ = plant(folder, rows)
        options = ["--to", "sharegpt", "--out", str(folder / "out.jsonl"), "--force", "--fix", "--drop-bad"]
        spent: dict[Path, list[Spent]] = {before: [], ROOT: []}
        for _ in range(times):
            for checkout, runs in spent.items():
                code = f"import sys; sys.path.insert(0, {str(checkout)!r})\n"
                code += "from orchestrator.cli import main; main.main()"
                runs.append(spend([PYTHON, "-P", "-c", code, "data", "convert", str(source), *options]))
    report("before", spent[before])
    report("now", spent[ROOT])
    ratio = median(spent[ROOT]) / median(spent[before])
    print(f"ratio      {ratio:7.3f}  (limit {BEFORE_LIMIT})")
    return int(ratio > BEFORE_LIMIT)


def plant(folder: Path, rows: int) -> tuple[Path, dict[str, Any]]:
    """The file, and what must be found in it; by a child, for a child's memory counts from its parent's."""
    source = folder / "huatuo.jsonl"
    argv = [PYTHON, "-m", "benchmarks.planted_rows", str(source), str(rows)]
    made = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    print(f"{rows} rows, {source.stat().st_size / 1e6:.0f} MB")
    return source, json.loads(made.stdout)


def in_turn(source: Path, folder: Path, times: int) -> tuple[list[Spent], list[Spent]]:
    """What reading and writing alone takes, and what Conch takes."""
    bare, conch = [], []
    for _ in range(times):
        bare.append(spend([PYTHON, "-c", BARE, str(source), str(folder / "bare.jsonl")]))
        conch.append(convert(source, folder))
    return bare, conch


def convert(source: Path, folder: Path) -> Spent:
    """What Conch takes; its output and its report are out.jsonl and report.json of the folder."""
    argv = [CONCH, "data", "convert", str(source), "--to", "sharegpt", "--out", str(folder / "out.jsonl")]
    return spend([*argv, "--force", "--fix", "--drop-bad", "--report", str(folder / "report.json")])


def spend(argv: Sequence[str]) -> Spent:
    """Run a process to its end."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as told:
        child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            told.seek(0)
            sys.exit(
                f"{argv[:4]} ended with {child.returncode}:\n{told.read().decode('utf-8', 'replace')[-2000:]}"
            )
    return Spent(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6, child.returncode)


def median(runs: Sequence[Spent]) -> float:
    return statistics.median(run.cpu for run in runs)


def report(name: str, runs: Sequence[Spent]) -> None:
    least, most = min(run.cpu for run in runs), max(run.cpu for run in runs)
    told = f" (median of {len(runs)}, {least:.2f} to {most:.2f})" if len(runs) > 1 else ""
    print(f"{name:<10} {Spent(median(runs), max(run.memory for run in runs), 0)}{told}", flush=True)


def without_broken_lines(source: Path, whole: Path) -> Path:
    """The lines that parse."""
    with source.open("rb") as lines, whole.open("wb") as out:
        for line in lines:
            try:
                orjson.loads(line)
            except ValueError:
                continue
            out.write(line)
    return whole


def differences(truth: dict[str, Any], folder: Path) -> list[str]:
    """Where the report, or the output itself, is not what was planted."""
    said = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    found = {"rows": said["rows_in"], "kept": said["rows_kept"], "turns": said["turns"]}
    found["dropped"] = said["dropped"]
    for part in ("repairs", "warnings"):
        found[part] = {kind: one["rows"] for kind, one in said[part].items()}
    written, answers = 0, 0
    with (folder / "out.jsonl").open("rb") as lines:
        for line in lines:
            roles = [message["role"] for message in orjson.loads(line)["messages"]]
            written += roles == ["user", "assistant"] * (len(roles) // 2) and bool(roles)
            answers += len(roles) // 2
    with (folder / "out.jsonl.dropped.jsonl").open("rb") as rejects:
        listed = sum(1 for _ in rejects)
    found |= {"rows written": written, "answers written": answers, "rows dropped": listed}
    wanted = {**truth, "rows written": truth["kept"], "answers written": truth["turns"]}
    wanted["rows dropped"] = sum(truth["dropped"].values())
    missed = [
        f"{name}: planted {wanted[name]}, found {found[name]}"
        for name in wanted
        if wanted[name] != found[name]
    ]
    counted = len(truth["dropped"]) + len(truth["repairs"]) + len(truth["warnings"])
    print(f"{counted} kinds planted, {'all counts exact' if not missed else 'counts differ'}")
    return missed


def claims(bare: Sequence[Spent], conch: Sequence[Spent]) -> list[str]:
    """Which of the limits Conch does not keep."""
    ratio, memory = median(conch) / median(bare), max(run.memory for run in conch)
    print(f"ratio      {ratio:7.2f}  (limit {CPU_LIMIT})")
    slow = [f"{ratio:.2f} × the CPU seconds of bare"] if ratio > CPU_LIMIT else []
    return slow + ([f"{memory:.0f} MB"] if memory >= MEMORY_LIMIT else [])


def growth(conch: Sequence[Spent], large: Spent) -> list[str]:
    """Which of the limits Conch does not keep at ten times the rows."""
    times = large.cpu / median(conch) / TIMES_THE_ROWS
    print(f"a row, against a tenth of the rows: {times:.2f} × the CPU  (limit {GROWTH_LIMIT})")
    slow = (
        [f"{times:.2f} × the time a row at {TIMES_THE_ROWS} times the rows"] if times > GROWTH_LIMIT else []
    )
    return slow + ([f"{large.memory:.0f} MB"] if large.memory >= MEMORY_LIMIT else [])


if __name__ == "__main__":
    sys.exit(main())
