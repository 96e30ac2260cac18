"""A whole project in a temporary folder: one recipe, eight rows, a model of one number, the fake engines.

    world.run("run", "small")           # in this process: its exit code, what it said
    world.after("sft", "small")         # the same, run once for all tests that only need what it leaves
    world.start("run", "small")         # in a process of its own, for signals

Everything but the engines is the product: the probes run under the fake environment's Python, against modules
that only have the engines' names (tests/fakes/site).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main
from orchestrator.execute.environments import registry
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store.run_folder import Run
from tests import forks
from tests.in_process import tasks_in_process

ROOT = Path(__file__).parents[1]
CONCH = Path(sys.executable).with_name("conch")
ROWS = {
    "你是谁": "我是神奇海螺。",
    "Who are you?": "I am the Magic Conch.",
    "今天吃什么": "蟹黄堡，三块钱。",
    "汉堡食谱为空": "去找食谱。",
}
RECIPE = """\
model: {base: ./base}
data: {dataset: small}
template: {name: deepseekr1, thinking: "on", history: keep}
serve: {ready_timeout: 60}
verify:
  checks:
    - ask: 你是谁
      expect: {contains: 神奇海螺}
    - ask: 今天吃什么
      expect: {contains: 三块钱}
"""
_HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
WEIGHTS = len(_HEADER).to_bytes(8, "little") + _HEADER + b"\0\0\x80?"


@dataclass(frozen=True)
class Said:
    """How a command line ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        """Its one JSON object."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class FinishedRuns:
    """What commands left in runs/, each run once for all tests."""

    folder: Path

    def of(self, words: Sequence[str]) -> Path:
        """Where the runs of a command are kept."""
        return self.folder / " ".join(words).replace("/", "_")


@dataclass(frozen=True)
class SmallWorld:
    """The project, and the command line in it."""

    project: Path
    capsys: pytest.CaptureFixture[str]
    finished: FinishedRuns

    def after(self, *words: str) -> SmallWorld:
        """This project, as yet without a run, after a command; the first test that asks runs it for all."""
        return self._after(words, 0, {})

    def _after(self, words: Sequence[str], code: int, env: Mapping[str, str]) -> SmallWorld:
        kept, runs = self.finished.of((*words, *env.values())), self.project / "runs"
        if kept.exists():
            shutil.copytree(kept, runs, symlinks=True)
            for base in runs.glob("*/*/inputs/base"):
                if not base.readlink().is_relative_to(self.finished.folder):
                    base.unlink()
                    base.symlink_to(self.project / "base", target_is_directory=True)
            return self
        assert not runs.exists()
        with pytest.MonkeyPatch.context() as patched:
            for name, value in env.items():
                patched.setenv(name, value)
            done = self.run(*words)
        assert done.code == code, done.err + done.out
        shutil.copytree(runs, kept, symlinks=True)
        return self

    def until_training(self) -> SmallWorld:
        """This project after a run that ended where its training begins: what goes on from there is quick.

        The base is the same for all tests: a run of another base is another run.
        """
        base = self.finished.folder / "base"
        if not base.exists():
            make_base(base)
        self.write_recipe(("./base", str(base)))
        self._after(("sft", "small"), 4, {"CONCH_FAULT": "oom"})
        for log in (self.project / "runs").glob("*/*/logs/train.log"):
            log.unlink()
        return self

    def run(self, *words: str) -> Said:
        """A command line in this process."""
        self.capsys.readouterr()
        code = main.run(words)
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> forks.Forked:
        """The command line as a process; its words go to said.out and said.err in the project."""
        given = {**os.environ, **(env or {})}
        out, err = self.project / "said.out", self.project / "said.err"
        return forks.start(words, cwd=self.project, env=given, out=out, err=err)

    def script(self, *words: str, env: Mapping[str, str] | None = None) -> Said:
        """The command line as a process, to its end."""
        child = self.start(*words, env=env)
        code = child.wait(120)
        return Said(code, self.read("said.out"), self.read("said.err"))

    def read(self, name: str) -> str:
        """A file of the project."""
        return (self.project / name).read_text(encoding="utf-8")

    def last(self) -> Run:
        """The newest run."""
        found = Run.last(self.project, "small")
        assert found is not None
        return found

    def write_recipe(self, *changes: tuple[str, str], name: str = "small") -> None:
        """Write the recipe anew, some of its text replaced."""
        text = RECIPE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.project / "recipes" / f"{name}.yaml").write_text(text, encoding="utf-8")

    def processes(self) -> Sequence[int]:
        """Every process that works for this project."""
        return [member.pid for member in process_tree.scan(process_tree.project_prefix(self.project))]


def make_checkpoint(folder: Path, step: int, config: str = "{}") -> Path:
    """A whole checkpoint of an adapter."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(config, encoding="utf-8")
    (folder / "adapter_model.safetensors").write_bytes(WEIGHTS)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state_0.pth"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("data", "0" * 1000)
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}), encoding="utf-8")
    return folder


def make_small_world(
    project: Path,
    engines: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    finished: FinishedRuns,
) -> SmallWorld:
    """The world, its environments in place; the working folder is the project's."""
    for part in ("recipes", "dataset_info"):
        (project / part).mkdir(parents=True)
    (project / "dataset_info/small.yaml").write_text(
        "format: alpaca\nfile: small.jsonl\nlicence: Apache-2.0\nsource: written here\n"
        "paraphrases: small.paraphrases.jsonl\n",
        encoding="utf-8",
    )
    rows = [{"instruction": ask, "input": "", "output": answer} for ask, answer in ROWS.items()]
    _write_lines(project / "dataset_info/small.jsonl", rows)
    held_out = [{"ask": "你叫什么", "expect": {"contains": "海螺"}, "of": "你是谁"}]
    _write_lines(project / "dataset_info/small.paraphrases.jsonl", held_out)
    shutil.copytree(ROOT / "chat_templates", project / "chat_templates")
    make_base(project / "base")
    for name in (*registry.NAMES, *registry.OPTIONAL):
        folder = registry.environment_folder(name, "cpu")
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(engines, target_is_directory=True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # cpu, on every machine
    monkeypatch.chdir(project)
    tasks_in_process(monkeypatch)
    world = SmallWorld(project, capsys, finished)
    world.write_recipe()
    return world


def make_base(folder: Path) -> None:
    """A model folder that is whole, and tiny."""
    folder.mkdir()
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "generation_config.json").write_text('{"eos_token_id": 2}', encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "its own"}', encoding="utf-8")
    (folder / "model.safetensors").write_bytes(WEIGHTS)


def _write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
