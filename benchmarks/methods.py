"""Every training method for real: a few steps, the export and the merge proof; a table for docs/methods.md.

    .venv/bin/python benchmarks/methods.py [--only NAME …] [--layers 6] [--steps 3] [--write]

The base is the embedded one, cut to its first layers; the rows are those of the recipe smoke. Each method is
planned as a recipe sets it, and its own files and commands are run: prepare, train and export by
llamafactory-cli, probes/merge_check.py, and the proof. What is refused is shown as `conch plan` says it. Peak
memory is that of the training's process. Exits 1 if a method that should run fails. About 40 s for each on
two cores; the figures show that a method runs, not how good or fast it is. --write puts the table into
docs/methods.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.planted_run import tensors, write_shard
from orchestrator.errors import ConchError
from orchestrator.execute.environments import registry
from orchestrator.execute.models import demo_model
from orchestrator.execute.project import discovery
from orchestrator.plan.job import Job
from orchestrator.plan.methods import METHODS
from orchestrator.plan.methods.base import Runs
from orchestrator.plan.plan import EXPORT, build_plan
from orchestrator.plan.stage import Command, Stage, partial
from tests.plan.methods.test_methods import MEASURED, sets_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/methods.md"
RECIPE = """\
extends: smoke
model: {{base: ./base}}
data: {{cutoff_len: 128, max_samples: 12}}
train: {{max_steps: {steps}, batch_size: 2, save_steps: null}}
hardware: {{cpu: {{model: {{base: ./base}}, train: {{max_steps: {steps}, batch_size: 2}}}}}}
"""
TOGETHER = {
    "DoRA, rsLoRA and LoRA+ together": ("train.dora=true", "train.rslora=true", "train.lora_plus=16"),
    "QLoRA, 4 bits, in bfloat16": ("train.quantization_bit=4", "train.compute_type=bf16"),
    "Freeze with GaLore": ("train.method=freeze", "train.optimizer=galore"),
    "Both tables": ("train.additional_target=[embed_tokens, lm_head]",),
}


@dataclass(frozen=True)
class Measured:
    """One row: what came of a method."""

    name: str
    code: int
    seconds: float = 0.0
    memory: float = 0.0
    export: str = ""
    proof: str = ""

    @property
    def line(self) -> str:
        """The row of the table."""
        step, gib = f"{self.seconds:.2f}", f"{self.memory / (1 << 20):.2f}"
        return f"| {self.name} | {self.code} | {step} | {gib} | {self.export} | {self.proof} |"


def main() -> int:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description="Every training method for real.")
    parser.add_argument("--only", nargs="*", default=[], help="parts of names")
    parser.add_argument("--layers", type=int, default=6, help="of the embedded base")
    parser.add_argument("--steps", type=int, default=3, help="of each training")
    parser.add_argument("--write", action="store_true", help="put the table into docs/methods.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="conch-methods-") as scratch:
        project = make_project(Path(scratch), options.layers, options.steps)
        lines, wrong = [], 0
        for name, sets, runs in rows():
            if options.only and not any(part.lower() in name.lower() for part in options.only):
                continue
            found = measure(name, project, sets) if runs else refused(name, project, sets)
            wrong += isinstance(found, Measured) and (found.code != 0 or not found.proof.startswith("holds"))
            lines.append(found.line if isinstance(found, Measured) else found)
            print(lines[-1], flush=True)
    if options.write:
        write(lines, options.layers, options.steps)
    return 1 if wrong else 0


def rows() -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """(name, settings, whether it runs on a CPU)."""
    for method in METHODS:
        yield method.name, sets_of(method), method.runs is Runs.HERE
    for name, sets in TOGETHER.items():
        yield name, sets, True


def make_project(scratch: Path, layers: int, steps: int) -> Path:
    """A project whose base is the first layers of the embedded one."""
    for part in ("recipes", "dataset_info", "chat_templates"):
        shutil.copytree(ROOT / part, scratch / part)
    (scratch / "recipes/method.yaml").write_text(RECIPE.format(steps=steps), encoding="utf-8")
    source, base = demo_model.ensure_embedded(print), scratch / "base"
    shutil.copytree(source, base, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(json.dumps(config | {"num_hidden_layers": layers}), encoding="utf-8")
    kept = [
        name
        for name in tensors(source / "model.safetensors")
        if ".layers." not in name or int(name.split(".")[2]) < layers
    ]
    write_shard(base / "model.safetensors", source / "model.safetensors", kept)
    return scratch


def measure(name: str, project: Path, sets: tuple[str, ...]) -> Measured:
    """Train, export and prove; the first command that fails ends it."""
    job = discovery.read_job("method", project=project, sets=sets, hardware="cpu")
    run = project / "run"
    shutil.rmtree(run, ignore_errors=True)
    memory = 0
    for stage in build_plan(job, EXPORT).stages:
        for command in stage_commands(stage, run):
            code, peak = execute(command, job, project, run)
            memory = max(memory, peak if stage.name == "train" else 0)
            if code:
                return Measured(name, code, memory=memory, export=f"{stage.name} failed: {last_line(run)}")
        for output in stage.outputs:
            if (run / partial(output)).exists():
                (run / partial(output)).rename(run / output)
    results = json.loads((run / "adapter/train_results.json").read_text(encoding="utf-8"))
    steps = json.loads((run / "adapter/trainer_state.json").read_text(encoding="utf-8"))["global_step"]
    seconds = results["train_runtime"] / max(1, steps)
    size = sum(path.stat().st_size for path in (run / "export").glob("*.safetensors")) / (1 << 20)
    return Measured(name, 0, seconds, memory, f"{size:.0f} MiB", proof_of(job, project, run))


def stage_commands(stage: Stage, run: Path) -> Iterator[Command]:
    """A stage's files written, then its commands."""
    for output in stage.outputs:
        (run / output).parent.mkdir(parents=True, exist_ok=True)
    for file in stage.files:
        (run / file.path).parent.mkdir(parents=True, exist_ok=True)
        (run / file.path).write_text(file.text, encoding="utf-8")
    yield from stage.commands


def execute(command: Command, job: Job, project: Path, run: Path) -> tuple[int, int]:
    """(exit code, peak resident memory in KiB)."""
    symbols = {
        "train": str(registry.require("train", job.hardware)),
        "probes": str(ROOT / "orchestrator/probes"),
        "conch": sys.prefix,
        "project": str(project),
    }
    argv = [word.format_map(symbols) if word.startswith("{") else word for word in command.argv]
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "CONCH_PROJECT": str(project)}
    with (run / "log").open("ab") as log:
        process = subprocess.Popen(
            argv, cwd=run, env=os.environ | quiet | dict(command.env), stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss


def proof_of(job: Job, project: Path, run: Path) -> str:
    """What the merge proof says."""
    stage = build_plan(job).stage("prove_export")
    (run / partial("proofs/export")).mkdir(parents=True)
    probe, *others = stage_commands(stage, run)
    prove = next(command for command in others if any("prove_merge" in word for word in command.argv))
    codes = [execute(command, job, project, run)[0] for command in (probe, prove)]
    path = run / partial("proofs/export") / "merge.json"
    if not path.is_file():
        return f"no proof (exit codes {codes}): {last_line(run)}"
    proof = json.loads(path.read_text(encoding="utf-8"))
    return f"{'holds' if proof['holds'] else 'does not hold'}: {proof['detail']}"


def last_line(run: Path) -> str:
    """The last line of the log."""
    lines = (run / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else ""


def refused(name: str, project: Path, sets: tuple[str, ...]) -> str:
    """The row of a method that does not run here, as the user sees it."""
    try:
        discovery.read_job("method", project=project, sets=sets, hardware="cpu")
    except ConchError as error:
        problem = error.problems[0]
        return f"| {name} | {error.exit_code} | – | – | – | refused: {problem.what} → {problem.hint} |"
    return f"| {name} | 0 | – | – | – | NOT REFUSED |"


def write(lines: list[str], layers: int, steps: int) -> None:
    """Put the table after the mark of docs/methods.md."""
    today = datetime.now(UTC).date()
    head = f"""{MEASURED}
## Measured
`benchmarks/methods.py` on {today}, two shared CPU cores: the embedded base cut to {layers} layers,
{steps} steps of 2 rows, float32 unless said. They show that a method runs, exports and is proven, not
how fast or good it is.

| method | exit code | seconds a step | peak GiB | export | merge proof, or the refusal as it is shown |
|---|---:|---:|---:|---:|---|
"""
    text = PAGE.read_text(encoding="utf-8").partition(MEASURED)[0]
    PAGE.write_text(text + head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
