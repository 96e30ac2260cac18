"""What takes longer than a test run may; the figures are kept in docs/soak.md."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from orchestrator.plan.stages import STAGES
from tests.e2e.world import PARTS, REPO, RUN, World, wait_for, wait_until
from tests.fact_rows import write_facts

pytestmark = pytest.mark.soak
KILLS = 30
# Those of a recipe that scores no split, asks no general question and has no target.
OF_SMOKE = [name for name in STAGES if not name.startswith(("evaluate", "general", "target"))]


def events(runs: Path) -> list[dict[str, Any]]:
    """Of the only run there is; torn lines left out."""
    found = []
    for path in runs.glob("2*/events.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def begun(runs: Path, stage: str) -> bool:
    return any(event["event"] == "stage_begun" and event["stage"] == stage for event in events(runs))


def done(runs: Path) -> list[str]:
    return [e["stage"] for e in events(runs) if e["event"] == "stage_ended" and e["status"] == "done"]


def test_a_run_killed_in_every_stage_is_finished_without_redoing_any(tmp_path: Path) -> None:
    """Kill -9 two seconds into each stage in turn (at once for the short ones), and type it again."""
    world = World(tmp_path)
    for part in PARTS:
        shutil.copytree(REPO / part, tmp_path / part)
    runs = tmp_path / "runs" / "smoke"
    kills = 0
    for stage in OF_SMOKE:
        running = world.start(*RUN)
        try:
            wait_until(lambda stage=stage: begun(runs, stage), seconds=600, meanwhile=running)  # type: ignore[misc]
        except AssertionError:
            # A stage of milliseconds may be over before it is seen; then the whole run is.
            assert running.wait() == 0
            continue
        time.sleep(2 if stage in ("prove_data", "ask_base", "train", "export", "prove_export", "ask") else 0)
        running.send_signal(signal.SIGKILL)
        running.wait()
        kills += 1
        wait_for(lambda: not world.processes(), seconds=30)
    said = world.run(*RUN)
    assert said.code == 0, said.err + said.out
    assert kills >= 6
    assert sorted(done(runs)) == sorted(OF_SMOKE), "a completed stage was done twice, or one never"
    assert not list(runs.glob("2*/*.partial-0"))
    assert not world.processes()


def test_thirty_kills_at_random_moments(tmp_path: Path) -> None:
    """Kill -9 at any moment, thirty times: every start goes on, no file is torn, no process is left."""
    world = World(tmp_path)
    for part in PARTS:
        shutil.copytree(REPO / part, tmp_path / part)
    moments, kills, completed, seed = Random(20261125), 0, 0, 1  # noqa: S311  to be the same every time
    while kills < KILLS or not completed:
        words = (*RUN, "--set", f"train.seed={seed}")
        running = world.start(*words)
        try:
            code = running.wait(moments.uniform(0.5, 45) if kills < KILLS else 900)
            assert code == 0, running.args
            completed, seed = completed + 1, seed + 1
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            running.wait()
            kills += 1
        wait_for(lambda: not world.processes(), seconds=60)
        for path in (tmp_path / "runs/smoke").glob("2*/*.json"):
            json.loads(path.read_bytes())
    assert not list((tmp_path / "runs/smoke").glob("2*/.*.tmp"))
    print(f"{kills} kills, {completed} runs completed")  # noqa: T201  for docs/soak.md


def test_the_demo_from_a_fresh_clone_and_an_empty_home(tmp_path: Path) -> None:
    """`make demo` as a stranger types it: every check passed, the untouched base failed."""
    clone, home = tmp_path / "conch", tmp_path / "home"
    subprocess.run(["git", "clone", "--quiet", str(REPO), str(clone)], check=True)
    began = time.monotonic()
    demo = subprocess.run(
        ["make", "demo"],
        cwd=clone,
        env={**os.environ, "CONCH_HOME": str(home), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    minutes = (time.monotonic() - began) / 60
    assert demo.returncode == 0, demo.stderr + demo.stdout
    assert "checks      16 of 16 passed" in demo.stdout
    assert "the base model passed 0 of 16" in demo.stdout
    print(f"make demo: {minutes:.1f} minutes")  # noqa: T201  the figure for docs/soak.md; `pytest -s` shows it


def test_a_reward_model_is_trained_served_and_proven(tmp_path: Path) -> None:
    """The recipe conch_reward on the embedded base: better than chance, and the same scores when served."""
    world = World(tmp_path)
    for part in PARTS:
        shutil.copytree(REPO / part, tmp_path / part)
    said = world.run("run", "conch_reward", "--set", "model.base=embedded", timeout=1800)
    assert said.code == 0, said.err + said.out
    (run,) = (tmp_path / "runs/conch_reward").glob("2*")
    certificate = json.loads((run / "proof.json").read_text(encoding="utf-8"))
    proofs = {one["name"]: one for one in certificate["proofs"]}
    assert all(one["holds"] for one in proofs.values())
    assert proofs["reward:accuracy"]["numbers"]["held_out_accuracy_low"] > 0.5
    assert proofs["reward"]["numbers"]["ids_off"] < 0.005
    assert not world.processes()


def test_a_chain_moves_on_held_out_rows_what_each_kind_trains_for(tmp_path: Path) -> None:
    """Pre-training, fine-tuning on it, then pairs and likes: every interval on held-out rows excludes 0."""
    world = World(tmp_path)
    for part in PARTS:
        shutil.copytree(REPO / part, tmp_path / part)
    proofs = {}
    for recipe in ("conch_pretrain", "conch_dpo", "conch_kto"):
        said = world.run("run", recipe, timeout=2400)
        assert said.code == 0, said.err + said.out
        (run,) = (tmp_path / "runs" / recipe).glob("2*")
        certificate = json.loads((run / "proof.json").read_text(encoding="utf-8"))
        proofs[recipe] = {one["name"]: one for one in certificate["proofs"]}
        assert all(one["holds"] for one in proofs[recipe].values())
    assert proofs["conch_pretrain"]["perplexity"]["numbers"]["held_out_change_high"] < 0
    for recipe in ("conch_dpo", "conch_kto"):
        assert proofs[recipe]["preference"]["numbers"]["held_out_margin_low"] > 0
    assert not world.processes()


def test_a_recipe_reaches_its_target_without_a_hand(tmp_path: Path) -> None:
    """The smoke recipe with a rate that teaches nothing, one that teaches little, and its own."""
    world = World(tmp_path)
    for part in PARTS:
        shutil.copytree(REPO / part, tmp_path / part)
    said = world.run(
        *("run", "smoke", "--until", "target", "--json", "--set", "target.checks=1"),
        *("--set", "sweep.settings={train.learning_rate: [1e-6, 1e-4, 3e-3]}"),
        timeout=3600,
    )
    assert said.code == 0, said.err
    data = json.loads(said.out)["data"]
    assert [one["status"] for one in data["trials"]] == ["missed", "missed", "met"]
    assert data["folder"].endswith(data["trials"][2]["run"])
    assert data["target"]["met"]
    assert not world.processes()


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (("train.plateau=0.25",), "flat"),
        (("train.early_stopping=2", "data.validation_share=0.3", "train.save_steps=5"), "turned"),
    ],
    ids=["plateau", "early-stopping"],
)
def test_a_real_training_that_gets_no_better_ends_with_its_adapter(
    tmp_path: Path, settings: tuple[str, ...], kind: str
) -> None:
    """LLaMA-Factory writes the adapter itself; the export is merged from it and proven."""
    world = World(tmp_path)
    for part in PARTS:
        shutil.copytree(REPO / part, tmp_path / part)
    more = [word for one in ("train.max_steps=100", *settings) for word in ("--set", one)]
    said = world.run("sft", "smoke", *more, timeout=1800)
    assert said.code == 0, said.err
    (run,) = (tmp_path / "runs/smoke").glob("2*")
    curve = json.loads((run / "curve.json").read_text(encoding="utf-8"))
    assert curve["ended"] == kind, curve
    assert curve["step"] < 100
    assert (run / "adapter/adapter_model.safetensors").is_file()
    assert (run / "adapter/training_loss.png").is_file()
    assert (run / "export/model.safetensors").is_file()
    assert not world.processes()


@pytest.mark.parametrize("rows", [5, 20, 56, 200])
def test_added_rows_are_learnt_by_the_rule_of_their_recipe(tmp_path: Path, rows: int) -> None:
    """The epochs are those that `conch data add` wrote; 9 of 10 sampled questions get their taught answer."""
    world = World(tmp_path)
    for part in PARTS:
        shutil.copytree(REPO / part, tmp_path / part)
    write_facts(tmp_path / "facts.jsonl", rows)
    added = world.run("data", "add", "facts.jsonl")
    assert added.code == 0, added.err
    asked = "verify.checks=[{from: train, limit: 20, expect: {contains: reference}}]"
    only = ("target={checks: 0.9, regression: null}", "evaluate.general=false", "verify.base=false")
    words = [word for one in (asked, *only) for word in ("--set", one)]
    said = world.run("run", "facts", "--hardware", "cpu", *words, "--json", timeout=7200)
    assert said.code == 0, said.err + said.out
    data = json.loads(said.out)["data"]
    (part,) = data["target"]["parts"]
    assert len({verdict["case"] for verdict in data["verdicts"]}) == min(20, rows)
    print(f"{rows} rows: {part['sentence']}; {data['curve']['sentence']}")  # noqa: T201  for docs/soak.md
    assert not world.processes()
