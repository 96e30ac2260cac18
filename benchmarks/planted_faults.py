"""Faults planted in files and processes: does `conch prove` or `conch parity`, alone, name each of them?

    .venv/bin/python benchmarks/planted_faults.py [--run PROJECT] [--only NAME …]

Trains the recipes smoke, conch_pretrain, conch_sft, conch_dpo, conch_kto and conch_reward once (or copies
the runs of PROJECT), then plants every fault of planted_parity.py, planted_run.py, planted_live.py,
planted_kinds.py and planted_rewards.py, one at a time, and runs the command line. A fault is caught when
the command exits as it must, the right proof fails, no unconcerned one does, and its sentence has the words
that explain it. Faults in scores (KIND_CASES) are judged by the tasks that make the proofs. Then at least
30 sound set-ups: no proof may fail. Prints a line each, then caught/planted and false alarms; exits 1
unless all are caught and no alarm is false. All takes an hour on two cores; choose with --only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from benchmarks.planted_kinds import KIND_CASES, KIND_FAULTS, KIND_LIVE_FAULTS, SOUND_RUNS
from benchmarks.planted_live import LIVE_FAULTS, MODEL, LiveFault, server
from benchmarks.planted_methods import METHOD_CASES
from benchmarks.planted_parity import FAULTS, OFFICIAL, ROOT, TEMPLATES, WITH_OFFICIAL, ParityFault
from benchmarks.planted_rewards import REWARD_FAULTS, RewardFault
from benchmarks.planted_run import RUN_FAULTS, Planted, RunFault
from tests.probes.proxies import FAMILY_OF, stand_ins

CONCH = Path(sys.executable).with_name("conch")
PARTS = ("recipes", "dataset_info", "chat_templates")
TOLD = 300


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the result.

    Attributes:
        name: of the fault, or of what is sound.
        planted: whether there is a fault.
        judge: runs the command line; "" when all is as it must be, else what is not.
    """

    name: str
    planted: bool
    judge: Callable[[], str]


@dataclass(frozen=True)
class World:
    """Where faults are planted: a scratch folder with a project, and tokenizers."""

    scratch: Path
    given: Path | None

    @cached_property
    def project(self) -> Path:
        """A project, with the given runs; the others are made when a fault asks for them."""
        project = self.scratch / "project"
        project.mkdir()
        for part in PARTS:
            (project / part).symlink_to(ROOT / part)
        if self.given:
            shutil.copytree(self.given / "runs", project / "runs", symlinks=True)
            for link in (project / "runs").glob("*/*/**/base*"):
                if link.is_symlink() and (below := link.readlink()).is_relative_to(self.given):
                    link.unlink()
                    link.symlink_to(project / below.relative_to(self.given))
        return project

    def run_of(self, recipe: str) -> Path:
        """The folder of a recipe's finished run, trained now if there is none."""
        runs = sorted((self.project / "runs" / recipe).glob("2*"))
        found = [run for run in runs if (run / "export/model.safetensors").is_file()]
        if not found:
            subprocess.run([CONCH, "sft", recipe], cwd=self.project, check=True, stdout=sys.stderr)
            return self.run_of(recipe)
        return found[-1]

    @cached_property
    def run(self) -> Path:
        """The folder of the run of smoke."""
        return self.run_of("smoke")

    @cached_property
    def reward_run(self) -> Path:
        """The folder of a finished run of the recipe conch_reward, on the embedded base."""
        runs = self.project / "runs/conch_reward"
        if not runs.is_dir():
            words = [str(CONCH), "run", "conch_reward", "--set", "model.base=embedded"]
            subprocess.run(words, cwd=self.project, check=True, stdout=sys.stderr)
        return max(runs.glob("2*"))

    @cached_property
    def tokenizers(self) -> Mapping[str, Path]:
        """A family, or "layout" and "empty" → the folder of its tokenizer."""
        base = (self.run / "inputs/base").resolve()
        found = {name: folder for name, (folder, _) in stand_ins(base, self.scratch).items()}
        layout = {"tokenizer_class": "LlamaTokenizer"}
        found["layout"] = self._tokenizer("layout", base, layout)
        found["empty"] = self.scratch / "tokenizer-empty"
        found["empty"].mkdir()
        return found

    def _tokenizer(self, name: str, base: Path, changes: Mapping[str, str]) -> Path:
        folder = self.scratch / f"tokenizer-{name}"
        folder.mkdir()
        for file in ("tokenizer.json", "config.json"):
            shutil.copy(base / file, folder)
        config = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
        (folder / "tokenizer_config.json").write_text(json.dumps(config | changes), encoding="utf-8")
        return folder

    def conch(self, *words: str) -> tuple[int, dict[str, Any], str]:
        """(exit code, the JSON object, all that was said)."""
        done = subprocess.run(
            [CONCH, *words, "--json"], cwd=self.project, capture_output=True, text=True, check=False
        )
        try:
            told = json.loads(done.stdout)
        except ValueError:
            told = {}
        return done.returncode, told.get("data") or {}, done.stdout + done.stderr


def parity_cases(world: World) -> Iterator[Case]:
    for fault in FAULTS + (WITH_OFFICIAL if OFFICIAL.is_dir() else ()):
        yield Case(fault.name, planted=True, judge=partial(judge_parity, world, fault))


def judge_parity(world: World, fault: ParityFault) -> str:
    conversations = world.scratch / f"{fault.name}.jsonl"
    conversations.write_text(fault.conversations(), encoding="utf-8")
    template, thinking, history = fault.trained
    words = ["--tokenizer", str(world.tokenizers[fault.tokenizer]), "--template", template]
    words += ["--thinking", thinking, "--history", history, "--conversations", str(conversations)]
    if fault.served:
        jinja = world.scratch / f"{fault.name}.jinja"
        jinja.write_text(fault.served(), encoding="utf-8")
        words += ["--chat-template", str(jinja)]
    code, data, said = world.conch("parity", *words)
    if code != fault.code:
        return f"exit code {code}, not {fault.code}: {said[-TOLD:]}"
    if not fault.proof:
        return _lacking(fault.words, said)
    if data["tokenizer"]["holds"] != (fault.proof != "tokenizer") and not fault.adds_tokens:
        return f"the tokenizer proof says: {data['tokenizer']['detail'] or 'it holds'}"
    if fault.proof == "tokenizer":
        return _lacking(fault.words, data["tokenizer"]["detail"])
    first = data["first_difference"]
    if first is None or first["verdict"] != fault.verdict:
        return f"the verdict is {first and first['verdict']}, not {fault.verdict}: {first}"[:TOLD]
    return _lacking(fault.words, first["explanation"])


def _lacking(words: tuple[str, ...], said: str) -> str:
    lacking = [word for word in words if word not in said]
    return f"it does not say {lacking}: {said[-TOLD:]}" if lacking else ""


def run_cases(world: World) -> Iterator[Case]:
    for fault in RUN_FAULTS + KIND_FAULTS:
        yield Case(fault.name, planted=True, judge=partial(judge_run, world, fault))


def judge_run(world: World, fault: RunFault) -> str:
    with ExitStack() as undo:
        fault.plant(Planted(world.run_of(fault.recipe), undo))
        return _judge_proof(world, fault, "--offline")


def _judge_proof(world: World, fault: RunFault | LiveFault, *words: str) -> str:
    code, data, said = world.conch("prove", fault.recipe, *words)
    if code != 5:
        return f"exit code {code}, not 5: {said[-TOLD:]}"
    refuted = {one["name"]: one for one in data["proofs"] if not one["holds"]}
    if fault.proof not in refuted or (wrong := refuted.keys() - {fault.proof, *fault.also}):
        told = {name: proof["detail"][:TOLD] for name, proof in refuted.items()}
        return f"{fault.proof} is to fail, and not {sorted(wrong) if refuted else 'nothing'}: {told}"
    proof = refuted[fault.proof]
    return _lacking(fault.words, " ".join([proof["detail"], *(one["what"] for one in proof["findings"])]))


def reward_cases(world: World) -> Iterator[Case]:
    for fault in REWARD_FAULTS:
        yield Case(fault.name, planted=True, judge=partial(judge_reward, world, fault))
    for words in (("--offline",), ()):
        name = f"sound: reward model {'offline' if words else 'live'}"
        yield Case(name, planted=False, judge=partial(_reward_holds, world, *words))


def judge_reward(world: World, fault: RewardFault) -> str:
    with ExitStack() as undo:
        fault.plant(Planted(world.reward_run, undo))
        return _judge_proof(world, fault, *([] if fault.live else ["--offline"]))


def _reward_holds(world: World, *words: str) -> str:
    _ = world.reward_run
    return _holds(world, "prove", "conch_reward", *words)


def live_cases(world: World) -> Iterator[Case]:
    for fault in LIVE_FAULTS + KIND_LIVE_FAULTS:
        yield Case(fault.name, planted=True, judge=partial(judge_live, world, fault))


def judge_live(world: World, fault: LiveFault) -> str:
    jinja = world.scratch / f"{fault.name}.jinja"
    run = world.run_of(fault.recipe)
    text = (run / "chat_template.jinja").read_text(encoding="utf-8")
    for old, new in fault.template:
        text = text.replace(old, new)
    jinja.write_text(text, encoding="utf-8")
    model = str((run / fault.model).resolve())
    with server(model, jinja, world.scratch / f"{fault.name}.log", fault.words_of_server) as url:
        return _judge_proof(world, fault, "--base-url", url, "--model", MODEL)


def sound_parity(world: World) -> Iterator[Case]:
    """Every chat template that Conch ships, for the training that it is for."""
    for path in sorted(TEMPLATES.glob("*.jinja")):
        template, _, setting = path.stem.partition("-")
        thinking, history = setting.split("-") if setting else ("on", "keep")
        words = ["--template", template, "--thinking", thinking, "--history", history]
        family = FAMILY_OF[template]
        yield Case(
            f"sound: {path.stem}",
            planted=False,
            judge=partial(_template_holds, world, family, words),
        )


def _template_holds(world: World, family: str, words: list[str]) -> str:
    return _holds(world, "parity", "--tokenizer", str(world.tokenizers[family]), *words)


def sound_runs(world: World) -> Iterator[Case]:
    yield Case("sound: offline", planted=False, judge=partial(_holds, world, "prove", "smoke", "--offline"))
    yield Case("sound: live", planted=False, judge=partial(_holds, world, "prove", "smoke"))
    for recipe in SOUND_RUNS:
        for words in (("--offline",), ()):
            name = f"sound: {recipe}{' offline' if words else ''}"
            yield Case(name, planted=False, judge=partial(_of_recipe, world, recipe, words))


def _of_recipe(world: World, recipe: str, words: tuple[str, ...]) -> str:
    world.run_of(recipe)
    return _holds(world, "prove", recipe, *words)


def kind_cases(world: World) -> Iterator[Case]:
    """Scores of a made-up model, sound ones too, as the tasks of a run judge them."""
    for name, case in KIND_CASES.items():
        folder = world.scratch / "kinds" / name
        yield Case(name, planted=bool(case.proof), judge=partial(case.judge, folder))


def method_cases(world: World) -> Iterator[Case]:
    """Merges of every training method on small weights, sound ones too, as the merge proof judges them."""
    for number, (name, make) in enumerate(METHOD_CASES.items()):
        case, folder = make(), world.scratch / "methods" / str(number)
        told = name if case.says else f"sound: {name}"
        yield Case(told, planted=bool(case.says), judge=partial(case.judge, folder))


def _holds(world: World, *words: str) -> str:
    code, data, said = world.conch(*words)
    return "" if code == 0 and data["holds"] else f"exit code {code}: {said[-TOLD:]}"


def perform(cases: list[Case], workers: int) -> Iterator[tuple[Case, str, float]]:
    """Each case, what is not as it must be, and its seconds; in order."""

    def one(case: Case) -> tuple[Case, str, float]:
        began = time.monotonic()
        try:
            wrong = case.judge()
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            wrong = f"could not be judged: {error!r}"
        return case, wrong, time.monotonic() - began

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(one, cases)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, metavar="PROJECT", help="a project with a finished run of smoke")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="those whose name begins so")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="conch-planted-") as scratch:
        world = World(Path(scratch), asked.run and asked.run.absolute())
        # Two calls of parity at a time; the run's own files are changed by one case at a time.
        beside = [*parity_cases(world), *sound_parity(world), *method_cases(world)]
        alone = [*kind_cases(world), *run_cases(world), *live_cases(world), *reward_cases(world)]
        alone += sound_runs(world)
        results = []
        for cases, workers in ((beside, 2), (alone, 1)):
            chosen = [one for one in cases if not asked.only or one.name.startswith(tuple(asked.only))]
            for case, wrong, seconds in perform(chosen, workers):
                word = (
                    ("caught" if case.planted else "holds")
                    if not wrong
                    else "MISSED"
                    if case.planted
                    else "ALARM"
                )
                print(f"{word:<7}{case.name:<34}{seconds:5.0f} s  {wrong}", flush=True)
                results.append((case.planted, wrong))
    planted = [wrong for fault, wrong in results if fault]
    sound = [wrong for fault, wrong in results if not fault]
    print(
        f"caught {planted.count('')}/{len(planted)}; false alarms {len(sound) - sound.count('')}/{len(sound)}"
    )
    return int(any(wrong for _, wrong in results) or not results)


if __name__ == "__main__":
    sys.exit(main())
