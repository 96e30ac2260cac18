"""What the token proof of 20,000 conversations costs, against LLaMA-Factory's own tokenization of them.

    .venv/bin/python benchmarks/parity_speed.py [--rows 20000] [--tokenizer DIR]

In one run, with the environments of `conch env sync`: LLaMA-Factory loads and tokenizes the rows as training
does (its get_dataset), then the proof does its whole work: both probes side by side, LLaMA-Factory's own
tokenization included, and the comparison. Both are whole processes, imports included; LLaMA-Factory's
get_dataset alone is printed too. Prints the ratio of the wall times (limit 1.5), the CPU seconds, and the
memory of each part at a tenth of the rows and at all of them: what it allocated, not the file that `datasets`
maps. Exits 1 when the ratio is missed, or a part's memory grows by a quarter.

The rows are made up: 1 to 4 turns of Chinese and English, of the length of a consultation.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import yaml

from orchestrator.datasets.targets import dataset_info_text
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from orchestrator.execute.models import demo_model
from orchestrator.templates.writer import write_jinja

LIMIT = 1.5
GROWTH = 1.25
PROBES = Path(__file__).parents[1] / "orchestrator" / "probes"
TOKENIZE = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
import training_ids
from pathlib import Path
settings, _ = training_ids.read_settings(Path("train.yaml"), "scratch")
os.environ["HF_DATASETS_CACHE"] = sys.argv[2]
pipeline = training_ids.make_pipeline(settings)
from llamafactory.data import get_dataset
wall, cpu = time.monotonic(), time.process_time()
kept = get_dataset(
    pipeline.template,
    pipeline.model_args,
    pipeline.data_args,
    pipeline.training_args,
    stage="sft",
    **pipeline.module,
)["train_dataset"]
Path(sys.argv[3]).write_text(json.dumps([time.monotonic() - wall, time.process_time() - cpu, len(kept)]))
"""
ASKS = (
    "医生您好，我最近三天总是头疼，尤其是下午，需要做什么检查吗？",
    "My throat has been sore since Monday and I cannot sleep well; what should I do?",
    "请问蟹黄堡的做法是什么？需要准备哪些材料？",
    "那需要多长时间才能好？平时饮食上有什么要注意的吗？",
)
SAYS = (
    "根据您的描述，可能与休息不足或者颈椎问题有关，建议先测量血压，必要时到神经内科就诊，做头颅影像检查以排除其他原因。",
    "Please rest, drink enough water and avoid spicy food. If it lasts longer than a week, see a doctor.",
    "一般来说一到两周会明显好转，期间请注意清淡饮食，保证睡眠，避免长时间低头看手机，并按时复诊。",
)


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--tokenizer", type=Path)
    given = options.parse_args()
    base = given.tokenizer or demo_model.ensure_embedded(print)
    pythons = [registry.require(name, machine.hardware()) / "bin" / "python" for name in ("train", "serve")]
    with tempfile.TemporaryDirectory(prefix="conch-speed-") as scratch:
        small = lay_out(Path(scratch) / "small", base, given.rows // 10)
        whole = lay_out(Path(scratch) / "whole", base, given.rows)
        own_wall, own_cpu, alone, kept = tokenize(whole, pythons[0])
        _, _, few = prove(small, pythons)
        wall, cpu, many = prove(whole, pythons)
    ratio = wall / own_wall
    print(f"rows kept                          {kept}")
    print(f"LLaMA-Factory tokenizes them       {own_wall:6.1f} s wall, {own_cpu:6.1f} s CPU")
    print(f"  of these, get_dataset alone      {alone:6.1f} s wall")
    print(f"the whole proof                    {wall:6.1f} s wall, {cpu:6.1f} s CPU")
    print(f"ratio                              {ratio:6.2f}  (limit {LIMIT})")
    for part, least in few.items():
        most = many[part]
        print(f"memory of {part:<12} {least >> 20:5} MiB at a tenth, {most >> 20:5} MiB at all")
    grows = any(many[part] > GROWTH * least for part, least in few.items())
    return int(ratio > LIMIT or grows)


def lay_out(folder: Path, base: Path, rows: int) -> Path:
    """A run folder, as far as the probes read it."""
    (folder / "data").mkdir(parents=True)
    (folder / "inputs").mkdir()
    (folder / "inputs" / "base").symlink_to(base)
    chance = random.Random(7)  # noqa: S311 - variety, not secrecy
    with (
        (folder / "data/rows.jsonl").open("w", encoding="utf-8") as alone,
        (folder / "data/conversations.jsonl").open("w", encoding="utf-8") as together,
    ):
        for number in range(1, rows + 1):
            messages = []
            for _ in range(chance.randint(1, 4)):
                messages.append({"role": "user", "content": f"{number}. " + chance.choice(ASKS)})
                messages.append({"role": "assistant", "content": " ".join(chance.choices(SAYS, k=3))})
            alone.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
            row = {"dataset": "rows", "row": number, "messages": messages}
            together.write(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / "data/dataset_info.json").write_text(dataset_info_text(["rows"]), encoding="utf-8")
    settings = {
        "model_name_or_path": "inputs/base",
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
    }
    settings |= {"dataset_dir": "data", "dataset": "rows", "template": "deepseekr1", "enable_thinking": True}
    settings |= {"mask_history": False, "cutoff_len": 4096, "preprocessing_num_workers": 1}
    settings |= {"output_dir": "adapter", "use_cpu": True}
    (folder / "train.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(write_jinja("deepseekr1", "on", "keep"), encoding="utf-8")
    return folder


def tokenize(folder: Path, python: Path) -> tuple[float, float, float, int]:
    """(wall seconds, CPU seconds, wall seconds of get_dataset alone, rows kept); a new cache each time."""
    out, began = folder / "tokenized.json", time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    watch([start([str(python), "-c", TOKENIZE, str(PROBES), str(folder / "cache"), str(out)], folder, "own")])
    wall = time.monotonic() - began
    alone, _, kept = json.loads(out.read_text(encoding="utf-8"))
    return wall, spent(before), alone, kept


def spent(before: resource.struct_rusage) -> float:
    """CPU seconds of the children that ended since."""
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def prove(folder: Path, pythons: list[Path]) -> tuple[float, float, dict[str, int]]:
    """(wall seconds, CPU seconds, most resident bytes of each part) of the proof."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    out = ("--out", "training_ids.jsonl"), ("--out", "serving_ids.jsonl")
    serving = ["--model", "inputs/base", "--chat-template", "chat_template.jinja", "--thinking", "on"]
    serving += ["--conversations", "data/conversations.jsonl"]
    probes = {
        "training_ids": [str(pythons[0]), str(PROBES / "training_ids.py"), "train.yaml", *out[0]],
        "serving_ids": [str(pythons[1]), str(PROBES / "serving_ids.py"), *serving, *out[1]],
    }
    memory = dict(
        zip(probes, watch([start(argv, folder, name) for name, argv in probes.items()]), strict=True)
    )
    settings = {
        "name": "parity:data",
        "training_ids": "training_ids.jsonl",
        "serving_ids": "serving_ids.jsonl",
        "out": "parity.json",
    }
    (folder / "compare.json").write_text(json.dumps(settings), encoding="utf-8")
    task = [sys.executable, "-m", "orchestrator.execute.runner.task", "compare", "compare.json"]
    (memory["compare"],) = watch([start(task, folder, "compare")])
    wall, cpu = time.monotonic() - began, spent(before)
    parity = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    if not parity["holds"]:
        sys.exit(f"the proof does not hold: {parity['first_difference']}")
    print(parity["covered"])
    return wall, cpu, memory


def start(argv: list[str], folder: Path, name: str) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        env = {**os.environ, "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(argv, cwd=folder, env=env, stdout=log, stderr=log)


def watch(children: list[subprocess.Popen[bytes]]) -> list[int]:
    """Wait for their ends; the most bytes that each had allocated, looked at ten times a second."""
    most = [0] * len(children)
    while any(child.poll() is None for child in children):
        for number, child in enumerate(children):
            with suppress(OSError, ValueError):
                status = Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8")
                held = next(
                    (line for line in status.splitlines() if line.startswith("RssAnon")), "RssAnon 0 kB"
                )
                most[number] = max(most[number], int(held.split()[1]) << 10)
        time.sleep(0.1)
    for child in children:
        if child.returncode:
            sys.exit(f"{child.args!r} ended with {child.returncode}")
    return most


if __name__ == "__main__":
    sys.exit(main())
