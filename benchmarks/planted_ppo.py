"""Faults planted in what PPO trains with: does the proof `environment` name each before anything is trained?

    .venv/bin/python benchmarks/planted_ppo.py [NAME …]

The embedded base, and a reward model made of it with a head of numbers drawn with a seed, are laid out by the
tasks of a run of recipes/conch_ppo.yaml; both environments must be there (`conch env sync`, `conch env sync
ppo`). Each fault is planted in a copy of the models as the trainer reads them; the run's own probes compute,
the run's own task judges. Prints a line each; exits 1 unless every fault is named and nothing sound is. No
training; each takes the two environments' start, half a minute on two cores.
"""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.execute.environments import registry
from orchestrator.execute.models import demo_model
from orchestrator.execute.models.reward_head import VALUE_HEAD, make_scoring
from orchestrator.execute.processes.child_environment import child_environment, resolve_argv, symbols_of
from orchestrator.execute.project import discovery
from orchestrator.hubs.recipe import REWARD_LINK
from orchestrator.plan.plan import build_plan
from orchestrator.plan.stage import Command, Runtime, Stage, partial
from orchestrator.plan.stages.base import DATA_PROOF

ROOT = Path(__file__).parents[1]
PROBE, OLDER = "model_values.py", Path("inputs/ppo")
WIDTH = 576
Plant = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class PpoCase:
    """A change of what the trainer reads, and what the proof must say; "" for a sound one."""

    name: str
    plant: Plant
    says: str = ""


def _config(model: str, **changes: object) -> Plant:
    """Set values in a model's config.json; None takes a key away."""

    def plant(older: Path) -> None:
        path = older / model / "config.json"
        values = json.loads(path.read_text(encoding="utf-8")) | changes
        kept = {key: value for key, value in values.items() if value is not None}
        path.write_text(json.dumps(kept), encoding="utf-8")

    return plant


def _own(path: Path) -> Path:
    """A linked file as a copy of its own."""
    target = path.resolve()
    path.unlink()
    shutil.copyfile(target, path)
    return path


def _other_weights(model: str) -> Plant:
    """Another model's weights: one tensor of it is nothing but zeros."""

    def plant(older: Path) -> None:
        (path,) = (older / model).glob("model*.safetensors")
        with _own(path).open("r+b") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            spans = json.loads(file.read(length))
            start, end = spans["model.layers.3.mlp.up_proj.weight"]["data_offsets"]
            file.seek(8 + length + start)
            file.write(bytes(end - start))

    return plant


def _other_names(older: Path) -> None:
    """A head under names that nothing looks for: LLaMA-Factory keeps its random one."""
    path = _own(older / "reward" / VALUE_HEAD)
    path.write_bytes(path.read_bytes().replace(b"v_head.summary", b"x_head.summary"))


def _other_tokens(older: Path) -> None:
    """Two words of the reward model's vocabulary change places."""
    path = _own(older / "reward/tokenizer.json")
    values = json.loads(path.read_text(encoding="utf-8"))
    words = values["model"]["vocab"]
    words["Hello"], words["world"] = words["world"], words["Hello"]
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")


BASE, SCORES = "other log probabilities of the base", "the reward model scores"
CASES = (
    PpoCase("as the run lays it out", lambda _: None),
    PpoCase("a base that says its dtype twice", _config("base", dtype="float32")),
    PpoCase("a reward model that names its task", _config("reward", problem_type="regression")),
    PpoCase("rope_theta of the base is lost", _config("base", rope_theta=None), BASE),
    PpoCase("rope_theta of the reward model is lost", _config("reward", rope_theta=None), SCORES),
    PpoCase("the reference has another model's weights", _other_weights("base"), BASE),
    PpoCase("the base lacks its last layer", _config("base", num_hidden_layers=29), BASE),
    PpoCase("the reward model has another model's weights", _other_weights("reward"), SCORES),
    PpoCase("the head is missing", lambda older: (older / "reward" / VALUE_HEAD).unlink(), SCORES),
    PpoCase("the head has other names", _other_names, SCORES),
    PpoCase("the head is another training's", lambda older: write_head(older / "reward", "other"), SCORES),
    PpoCase("the reward model has another tokenizer", _other_tokens, "as other tokens than the base"),
)


def write_head(folder: Path, seed: str) -> None:
    """A value head of drawn numbers, as LLaMA-Factory writes one."""
    draw = random.Random(seed)  # noqa: S311  no secret
    weight = struct.pack(f"<{WIDTH}f", *(draw.gauss(0, 0.05) for _ in range(WIDTH)))
    header = {
        "v_head.summary.bias": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "v_head.summary.weight": {"dtype": "F32", "shape": [1, WIDTH], "data_offsets": [4, 4 + len(weight)]},
    }
    text = json.dumps(header).encode()
    path = folder / VALUE_HEAD
    path.unlink(missing_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + struct.pack("<f", 0.25) + weight)


class World:
    """A run folder of conch_ppo up to its token ids, and what both environments compute in it."""

    def __init__(self, folder: Path) -> None:
        job = discovery.read_job("conch_ppo", project=ROOT, sets=["model.base=embedded"], hardware="cpu")
        self.folder, self.plan = folder, build_plan(job)
        names = ("train", "serve", "ppo")
        self.symbols = symbols_of({one: str(registry.require(one, "cpu")) for one in names}, ROOT)
        reward = folder / "reward_model"
        shutil.copytree(demo_model.ensure_embedded(print), reward)
        write_head(reward, "reward")
        make_scoring(reward)
        (folder / REWARD_LINK).symlink_to(reward)
        for name in ("fetch", "prepare"):
            stage = self.plan.stage(name)
            self.perform(stage, stage.commands)
            for output in stage.outputs:
                (folder / partial(output)).rename(folder / output)
        stage = self.plan.stage("prove_data")
        self.values = [command for command in stage.commands if command.argv[1].endswith(PROBE)]
        (self.task,) = [command for command in stage.commands if "prove_environment" in command.argv]
        ids = [command for command in stage.commands if command.argv[1].endswith("training_ids.py")]
        # The exports as the other environments read them never change.
        self.perform(stage, [*ids, *(one for one in self.values if one.runtime is Runtime.TRAIN)])

    def perform(self, stage: Stage, commands: Sequence[Command], *, check: bool = True) -> int:
        """Run commands of a stage in the folder; the last exit code."""
        for file in stage.files:
            path = self.folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
        code = 0
        for command in commands:
            env = child_environment(command, run_tag="planted", symbols=self.symbols)
            argv = resolve_argv(command, self.symbols)
            more = {**env, "CONCH_PROJECT": str(ROOT)}
            done = subprocess.run(
                argv, cwd=self.folder, env=more, capture_output=True, text=True, check=False
            )
            code = done.returncode
            if code and check:
                raise RuntimeError(f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return code

    def judge(self, case: PpoCase) -> str:
        """What is not as it must be; "" if nothing."""
        older, kept = self.folder / OLDER, self.folder / "ppo.kept"
        shutil.copytree(older, kept, symlinks=True)
        try:
            case.plant(older)
            stage = self.plan.stage("prove_data")
            self.perform(stage, [one for one in self.values if one.runtime is Runtime.PPO])
            code = self.perform(stage, [self.task], check=False)
        finally:
            shutil.rmtree(older)
            kept.rename(older)
        proof = json.loads(
            (self.folder / partial(DATA_PROOF) / "environment.json").read_text(encoding="utf-8")
        )
        if code != (5 if case.says else 0) or proof["holds"] is bool(case.says):
            return f"exit code {code}: {proof['detail']}"
        return "" if case.says in proof["detail"] else f"says only: {proof['detail']}"


def main() -> int:
    """The command line of the module docstring."""
    chosen = [case for case in CASES if not sys.argv[1:] or case.name in sys.argv[1:]]
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="conch-planted-ppo-") as scratch:
        world = World(Path(scratch))
        for case in chosen:
            fault = world.judge(case)
            wrong += bool(fault)
            kind = "fault" if case.says else "sound"
            print(f"{'WRONG' if fault else 'ok':<6}{kind}  {case.name}  {fault}", flush=True)
    faults = sum(bool(case.says) for case in chosen)
    print(f"{faults} faults and {len(chosen) - faults} sound set-ups, {wrong} judged wrongly")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
