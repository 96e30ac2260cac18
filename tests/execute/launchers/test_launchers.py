"""A second launcher, registered here and chosen by a recipe, runs a whole plan and its servers."""
# Covers execute/launchers/

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.execute.launchers import LAUNCHERS, Launched, local
from tests.small_world import SmallWorld

RUN_AS_GIVEN = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"


@dataclass
class Relay:
    """Starts every command through another process, and records it."""

    commands: list[tuple[str, ...]] = field(default_factory=list)

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        with_input: bool = False,
        offline: bool = False,
    ) -> Launched:
        self.commands.append(tuple(argv))
        relayed = (sys.executable, "-S", "-c", RUN_AS_GIVEN, *argv)
        return local.start(relayed, cwd=cwd, env=env, log=log, with_input=with_input, offline=offline)


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Relay:
    made = Relay()
    monkeypatch.setitem(LAUNCHERS, "relay", made)
    return made


def test_a_second_launcher_runs_a_whole_plan(small: SmallWorld, relay: Relay) -> None:
    small.write_recipe(("serve:", "launch: {launcher: relay}\nserve:"))
    done = small.run("run", "small")
    assert done.code == 0, done.err
    programs = [Path(argv[0]).name for argv in relay.commands]
    assert "llamafactory-cli" in programs, "training"
    assert any("serve" in argv for argv in relay.commands) or any(
        "warm_vllm" in word for argv in relay.commands for word in argv
    ), "the server"
    assert small.processes() == []


def test_the_local_launcher_is_the_default(small: SmallWorld, relay: Relay) -> None:
    assert small.run("sft", "small").code == 0
    assert relay.commands == []


def test_an_unknown_launcher_is_named_with_the_nearest(small: SmallWorld) -> None:
    small.write_recipe(("serve:", "launch: {launcher: locl}\nserve:"))
    done = small.run("plan", "small")
    assert done.code == 2
    assert 'recipes/small.yaml:4:20  launch: no launcher named "locl"; did you mean "local"?' in done.err
    assert "one of: local" in done.err
