"""LLaMA-Factory's own prediction (do_predict) over conversations, by the real train environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jieba
import yaml

from orchestrator.backends.base import yaml_text

# LLaMA-Factory scores with them where they are there; the train environment has none of them.
PACKAGES = ("jieba", "nltk", "rouge_chinese", "joblib", "defusedxml", "six.py")

Conversation = Sequence[Mapping[str, str]]


def predict(
    run: Path, model: str, conversations: Sequence[Conversation], out: Path, train: Path, **more: Any
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """(the rows of generated_predictions.jsonl, predict_results.json).

    Args:
        run: a run folder, whose train.yaml names template and thinking.
        model: the folder in it that is asked.
        conversations: each ends in the answer that is the reference.
        out: a folder of its own.
        train: the environment.
        **more: settings of LLaMA-Factory's.
    """
    told = yaml.safe_load((run / "train.yaml").read_text(encoding="utf-8"))
    kept = ("template", "enable_thinking", "mask_history", "bf16", "fp16", "use_cpu", "cutoff_len")
    entry = json.loads((run / "data/dataset_info.json").read_text(encoding="utf-8"))
    (out / "data").mkdir(parents=True)
    first = {**next(iter(entry.values())), "file_name": "asked.jsonl"}
    (out / "data/dataset_info.json").write_text(json.dumps({"asked": first}), encoding="utf-8")
    lines = [json.dumps({"messages": list(one)}, ensure_ascii=False) + "\n" for one in conversations]
    (out / "data/asked.jsonl").write_text("".join(lines), encoding="utf-8")
    settings = {
        "model_name_or_path": str(run / model),
        "stage": "sft",
        "do_train": False,
        "do_predict": True,
        "predict_with_generate": True,
        "eval_dataset": "asked",
        "dataset_dir": str(out / "data"),
        "output_dir": str(out / "predicted"),
        "report_to": "none",
        "per_device_eval_batch_size": 8,
        "do_sample": False,
        **{name: told[name] for name in kept if name in told},
        **more,
    }
    (out / "predict.yaml").write_text(yaml_text(settings), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(_packages(out / "packages")), "HF_HUB_OFFLINE": "1"}
    env["PATH"] = f"{train / 'bin'}:{env['PATH']}"
    done = subprocess.run(
        [str(train / "bin/llamafactory-cli"), "train", str(out / "predict.yaml")],
        cwd=out,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"llamafactory-cli ended with {done.returncode}:\n{done.stderr[-3000:]}")
    lines = (out / "predicted/generated_predictions.jsonl").read_text(encoding="utf-8").splitlines()
    results = json.loads((out / "predicted/predict_results.json").read_text(encoding="utf-8"))
    return [json.loads(line) for line in lines], results


def _packages(folder: Path) -> Path:
    """The packages alone, without the rest of this environment."""
    folder.mkdir()
    site = Path(jieba.__file__).parents[1]
    assert site.is_relative_to(sys.prefix)
    for name in PACKAGES:
        stem = name.removesuffix(".py")
        # Its record too: LLaMA-Factory asks for the versions.
        for found in (site / name, *site.glob(f"{stem}-*-info"), *site.glob(f"{stem}-*.egg-info")):
            if found.exists() and not (folder / found.name).exists():
                (folder / found.name).symlink_to(found)
    return folder
