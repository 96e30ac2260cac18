"""The orchestrator is killed at its n-th write of a state, for n = 1, 2, 3, … until a run completes.

Each time the next start goes on, and what is there at the end is what an unbroken run leaves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.run_store.listing import Standing, summary_of
from orchestrator.execute.run_store.run_folder import Run
from tests import forks
from tests.small_world import SmallWorld

ROOT = Path(__file__).parents[2]
WORDS = ("run", "small", "--set", "verify.base=false")
# What holds seconds or the moment differs from run to run.
PASSING = (
    *("answers", "verdicts", "report", "README", "proof.json", "hashes.json"),
    *("proofs/served", "proofs/loss", "proofs/score"),
)


def crash(small: SmallWorld, number: int, how: str, words: tuple[str, ...] = WORDS) -> int:
    """One attempt; -9 when it was killed."""
    out, err = small.project / "said.out", small.project / "said"
    child = forks.start(
        (str(number), how, *words),
        cwd=small.project,
        env={**os.environ, "CRASHED_AT": str(small.project / "crashed-at")},
        out=out,
        err=err,
        call="tests.faults.crashing:main",
    )
    return child.wait(120)


def readable(run: Run) -> None:
    """Nothing of a run's record is torn for its reader."""
    json.loads((run.path / "state.json").read_bytes())
    assert list(run.events())
    for name in ("manifest.json", "plan.json"):
        if (run.path / name).exists():
            json.loads((run.path / name).read_bytes())


def left_by(run: Run) -> dict[str, Any]:
    """What a run is at its end: its stages, and the hashes of what does not hold a time."""
    stages = {one.stage: dict(one.outputs) for one in run.runs()}
    return {
        name: {
            path: found for path, found in outputs.items() if not any(path.startswith(one) for one in PASSING)
        }
        for name, outputs in stages.items()
    }


def unbroken(small: SmallWorld) -> dict[str, Any]:
    """The same recipe, without an interruption; its run is removed again."""
    assert crash(small, 1 << 30, "after") == 0  # in a process too: in this one fewer rows are generated
    run = small.last()
    found = left_by(run)
    assert small.run("rm", "--yes", run.name).code == 0
    return found


def test_fault_054_killed_at_the_nth_write_until_a_run_completes(small: SmallWorld) -> None:
    wanted = unbroken(small)
    attempts = 0
    for number in range(1, 200):
        attempts += 1
        how = ("before", "torn", "after")[number % 3]
        # Ever further: an attempt that begins with what the ones before have done.
        code = crash(small, number, how)
        if code == 0:
            break
        assert code == -9, (small.project / "said").read_text(encoding="utf-8")[-2000:]
        for run in Run.all(small.project, "small"):
            if (run.path / "state.json").exists():
                readable(run)
                assert summary_of(run).standing is not Standing.RUNNING, "nobody works on it"
    run = small.last()
    assert attempts > 5
    assert left_by(run) == wanted
    assert summary_of(run).standing is Standing.DONE
    assert small.processes() == []
    assert not list(run.path.glob("*.partial*"))
    assert not list(run.path.glob(".*.tmp")), "what a killed write left is cleared away"


@pytest.mark.soak
def test_every_single_write_of_a_run(small: SmallWorld) -> None:
    """Each write on its own: a new project's run is killed there, and the next start completes it."""
    wanted = unbroken(small)
    assert crash(small, 10_000, "after") == 0
    writes = int((small.project / "crashed-at").read_text(encoding="utf-8"))
    small.run("rm", "--yes", small.last().name)
    for number in range(1, writes + 1):
        for how in ("before", "torn", "after"):
            assert crash(small, number, how) == -9
            assert crash(small, 10_000, how) == 0, (number, how)
            run = small.last()
            assert left_by(run) == wanted, (number, how)
            for old in Run.all(small.project, "small"):
                assert small.run("rm", "--yes", old.name).code == 0


def test_fault_054_control_a_state_that_is_rewritten_in_place_is_lost(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"status": "running"}', encoding="utf-8")
    script = (
        f"import os\nf = open({str(state)!r}, 'w')\nf.write('{{\"sta')\nf.flush()\nos.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    with pytest.raises(ValueError, match="Unterminated string"):
        json.loads(state.read_bytes())
