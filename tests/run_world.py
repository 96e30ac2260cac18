"""A run folder that was never run: every file that the report reads, small, as those that write them do."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.evaluation.comparison import compared
from orchestrator.evaluation.llm_judge import tally
from orchestrator.evaluation.numbers import numbers
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.metrics import METRICS
from orchestrator.results import StageResult, Status, Verdict

STEPS = 40
QUESTIONS = ("你是谁", "今天吃什么")


def make_run(project: Path, recipe: str = "shells", now: datetime | None = None) -> Run:
    """A finished run of a recipe, with an evaluation, a comparison, a target, a curve and trials."""
    (project / "recipes").mkdir(parents=True, exist_ok=True)
    run = Run.create(project, recipe, now=now or datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    run.begin(f"{recipe}: training a base on cpu (fp32)")
    for stage, seconds in (("fetch", 0.5), ("train", 230.4)):
        run.end_stage(StageResult(stage, Status.DONE, seconds=seconds), f"sha256:{stage}")
    run.end(0)
    _training(run.path / "adapter")
    _data(run.path)
    _judged(run.path)
    _proofs(run.path)
    _scored(run.path)
    write(run.path / "manifest.json", _manifest(run))
    part = {"name": "checks", "required": 1.0, "actual": 0.5, "met": False, "sentence": "1 of 2 passed"}
    write(run.path / "target.json", {"met": False, "parts": [part]})
    curve = {
        "kind": "turned",
        "ended": "turned",
        "sentence": "it rose from step 20 on",
        "advice": "train less",
        "step": 20,
    }
    write(run.path / "curve.json", curve)
    trial = {"number": 1, "settings": {"train.epochs": 3}, "run": run.name, "status": "done", "score": 0.5}
    trial |= {"sentence": "half of it"}
    told = [trial | {"minutes": 4.2}, trial | {"number": 2, "score": None, "minutes": None}]
    write(run.path.parent / "trials.json", {"settings": ["train.epochs"], "trials": told, "best": 1})
    return run


def write(path: Path, value: Any) -> None:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """A file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def flat(value: float) -> dict[str, float]:
    """The same score by every metric."""
    return dict.fromkeys(METRICS, value)


def _training(adapter: Path) -> None:
    rows: list[dict[str, Any]] = []
    for step in range(1, STEPS + 1):
        place = {"current_steps": step, "total_steps": STEPS, "elapsed_time": f"0:03:{step:02}"}
        rows.append(place | {"loss": round(5 * math.exp(-step / 9), 4), "lr": 1e-3 * (1 - step / STEPS)})
        rows[-1] |= {"vram_allocated": 9.5, "vram_reserved": 11.0, "throughput": 1800.0 + step}
        if step % 10 == 0:
            rows.append(place | {"eval_loss": 1.0 + abs(step - 20) / 40})
    write_lines(adapter / "trainer_log.jsonl", rows)
    write(adapter / "train_results.json", {"train_samples_per_second": 14.2, "train_runtime": 230.1})


def _data(folder: Path) -> None:
    told = {"name": "shells", "part": "train", "file": "dataset_info/shells.jsonl", "rows": 2}
    told |= {"format": "alpaca", "dropped": {"empty answer": 1}, "repairs": {"white space": 2}}
    write(folder / "data/prepare.json", {"datasets": [told], "generated": 0, "held_out": 1})
    rows = [
        {
            "dataset": "shells",
            "row": row,
            "messages": [
                {"role": "user", "content": ask},
                {"role": "assistant", "content": "我是神奇海螺。"},
            ],
        }
        for row, ask in enumerate(QUESTIONS, 1)
    ]
    write_lines(folder / "data/conversations.jsonl", rows)
    ids = [{"dataset": "shells", "row": row, "ids": list(range(10 * row))} for row in (1, 2)]
    write_lines(folder / "proofs/data/training_ids.jsonl", [{"versions": {}}, *ids])


def _judged(folder: Path) -> None:
    tuned, base, asked = [], [], []
    for number, question in enumerate(QUESTIONS):
        case = {"case": f"checks[{number}]", "check": "contains", "question": question, "expected": "海螺"}
        good = number == 0
        tuned.append({**case, "passed": good, "answer": "我是神奇海螺。" * 40, "reason": "it holds 海螺"})
        tuned.append({**case, "check": "stops", "passed": True, "answer": "好", "reason": "it stops"})
        base.append({**case, "passed": False, "answer": "I am a model.", "reason": "no 海螺"})
        asked.append(
            {**case, "case": f"paraphrases[{number}]", "passed": good, "answer": "海", "reason": "r"}
        )
    write(folder / "verdicts.json", {"verdicts": tuned, "base_verdicts": base, "paraphrases": asked})


def _proofs(folder: Path) -> None:
    proof = {"name": "rows", "holds": True, "covered": "2 rows", "numbers": {"rows": 2}, "detail": "found"}
    write(folder / "proofs/data/rows.json", proof | {"not_covered": "other rows"})
    write(folder / "proofs/export/stop.json", proof | {"name": "stop", "holds": False, "hint": "do this"})


def _scored(folder: Path) -> None:
    sample: Any = {"dataset": "shells", "row": 1, "messages": [{"role": "user", "content": "你是谁"}]}
    sample |= {"prompt": "你是谁", "label": "我是神奇海螺。", "label_thinking": "", "tokens": 7, "error": ""}
    sample |= {"finish_reason": "stop", "seconds": 0.5, "nll": 3.5, "label_tokens": 7}
    rows: Any = {
        "base": sample | {"predict": "I am.", "scores": flat(5.0), "scores_with_thinking": flat(4.0)},
        "tuned": sample | {"predict": "我是神奇海螺。", "scores": flat(100.0)},
    }
    lost = sample | {"predict": "", "scores": flat(0.0), "error": "no answer came"}
    for name, row in rows.items():
        told = numbers([row, lost], system=name, split="test")
        write(folder / f"eval/test-{name}/eval.json", told)
    before = Verdict("general[0]", "contains", passed=True, question="中国的首都", answer="北京")
    after = Verdict("general[0]", "contains", passed=False, question="中国的首都", answer="海螺")
    found = compared("base", "tuned", [(rows["base"], rows["tuned"])], {"general": ([before], [after])})
    write(folder / "compare/compare.json", {**found, "judge": tally(["b", "b", "a", "tie"])})


def _manifest(run: Run) -> dict[str, Any]:
    command = "HF_TOKEN=*** {train}/bin/llamafactory-cli train train.yaml"
    return {
        "run": run.name,
        "headline": f"{run.recipe}: training a base on cpu (fp32)",
        "conch": {"version": "0.1.0", "commit": "0123456789abcdef"},
        "recipe": {
            "data.cutoff_len": {"value": 15, "from": "default"},
            "train.epochs": {"value": 3.0, "from": "--set train.epochs=3"},
            "verify.checks": {"value": [{"ask": ["你是谁"]}], "from": "recipes/shells.yaml:7:5"},
        },
        "data": {"shells": {"file": "dataset_info/shells.jsonl", "is": "sha256:aa"}},
        "base": {"asked_for": "org/base", "name": "org/base", "source": "huggingface", "revision": "main"},
        "environments": {"train": {"lockfile": "f5cc", "packages": {"torch": "2.13.0"}}},
        "hardware": {"profile": "cuda", "machine": "x86_64", "cores": 2, "memory_gb": 25.3}
        | {"gpus": [{"name": "RTX 4090", "driver": "1", "memory_mib": 24564}]},
        "stages": {"ask": {"commands": [command], "server": "{serve}/bin/vllm serve export"}},
    }
