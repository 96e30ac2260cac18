"""A project of its own for end-to-end tests, and the command line in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.execute.processes import process_tree
from tests.watch import Watch

REPO = Path(__file__).parents[2]
CONCH = Path(sys.executable).with_name("conch")
# The smoke recipe, the untouched base asked too.
RUN = ("run", "smoke", "--set", "verify.base=true")
# What must be found nowhere after a run.
SECRETS = {
    "HF_TOKEN": "hf_CANARY" + "x" * 30,
    "CONCH_API_KEY": "sk-CANARY-of-conch",
    "OPENAI_API_KEY": "sk-CANARY-of-the-user",
    "MODELSCOPE_API_TOKEN": "ms-CANARY-0000-0000",
}
PARTS = ("recipes", "dataset_info", "chat_templates")


@dataclass(frozen=True)
class World:
    """A project of its own, and the command line in it."""

    project: Path

    def start(self, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start `conch WORDS`; both streams go to a file each, so that nothing blocks."""
        name = "-".join(word.strip("-/") for word in words if "/" not in word)[:60]
        out = (self.project / f"{name}.out").open("w", encoding="utf-8")
        err = (self.project / f"{name}.err").open("w", encoding="utf-8")
        given = {**os.environ, "NO_COLOR": "1", **(env or {})}
        with out, err:
            return subprocess.Popen(
                [str(CONCH), *words], cwd=self.project, env=given, stdout=out, stderr=err, text=True
            )

    def run(self, *words: str, env: dict[str, str] | None = None, timeout: float = 900) -> Said:
        """Run `conch WORDS` to its end."""
        given = {**os.environ, "NO_COLOR": "1", **(env or {})}
        done = subprocess.run(
            [str(CONCH), *words],
            cwd=self.project,
            env=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def processes(self) -> list[int]:
        """Every process that works for this project."""
        return [member.pid for member in process_tree.scan(process_tree.project_prefix(self.project))]


def new_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A project with the shipped recipes, data sets and templates, and no run yet."""
    project = tmp_path_factory.mktemp("真 project")  # a space and Chinese: engines must never see it
    for part in PARTS:
        shutil.copytree(REPO / part, project / part)
    return World(project)


@dataclass(frozen=True)
class Said:
    """What a command line answered."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Trained:
    """The smoke recipe, run to its end after a kill -9 in the middle of training, and what was seen then."""

    world: World
    killed_after_steps: int
    said: Said
    watch: Watch


def wait_until(true: Callable[[], object], *, seconds: float, meanwhile: subprocess.Popen[str]) -> None:
    """Wait for a condition; fail early when the process that should bring it about has ended."""
    deadline = time.monotonic() + seconds
    while not true():
        assert meanwhile.poll() is None, f"ended with {meanwhile.returncode} while it was waited for"
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def wait_for(true: Callable[[], object], *, seconds: float) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def lines_of(files: Sequence[Path]) -> int:
    """The whole lines in the newest of these files."""
    return files[-1].read_bytes().count(b"\n") if files else 0
