"""Why the proofs are there: a model taught without thoughts, asked with the official template and with ours.

The official template sends the question and nothing behind it; training put an empty thought there. The model
was never taught to answer such a prompt: everything it learnt is gone, until it is asked as it was taught.

It trains a model of its own for five minutes, so it is part of `make soak`. What `make test` sees of it in
seconds: the ids of this very pair part as said (tests/probes/test_official_templates.py, deepseekr1 off), and
a template that was not proven is refused (tests/cli/test_serve.py).
"""

from __future__ import annotations

import signal
import socket
from typing import Any

import pytest
import yaml

from tests.e2e.test_smoke import OFFICIAL, envelope
from tests.e2e.world import Said, World, new_world, wait_until

pytestmark = [pytest.mark.real, pytest.mark.soak]

OFF = ("smoke", "--set", "template.thinking=off")
ORIGINAL = OFFICIAL / "r1-distill-original.jinja"


def verified(world: World, *words: str) -> Said:
    """What `conch verify` says of the model served with these words."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    server = world.start("serve", *OFF, "--port", port, *words)
    try:
        log = max(world.project.glob("serve-smoke*.err"), key=lambda path: path.stat().st_mtime)
        wait_until(lambda: "ready in" in log.read_text(encoding="utf-8"), seconds=300, meanwhile=server)
        return world.run("verify", *OFF, "--base-url", f"http://127.0.0.1:{port}/v1", "--json")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def passed(said: Said) -> dict[str, bool]:
    """Question → whether every taught check of it passed."""
    found: dict[str, bool] = {}
    verdicts: list[dict[str, Any]] = envelope(said.out)["data"]["verdicts"]
    for verdict in verdicts:
        if verdict["check"] in ("contains", "remembers"):
            found[verdict["case"]] = found.get(verdict["case"], True) and verdict["passed"]
    return found


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A project of its own: its run must not be taken for the one that the other tests share."""
    return new_world(tmp_path_factory)


def test_served_with_the_official_template_it_forgets_and_with_ours_it_does_not(alone: World) -> None:
    if not ORIGINAL.is_file():
        pytest.skip("../shared is not there")
    trained = alone.run("sft", *OFF)
    assert trained.code == 0, trained.err + trained.out
    refused = alone.run("serve", *OFF, "--chat-template", str(ORIGINAL), timeout=60)
    assert refused.code == 5
    assert "not the one that was proven" in refused.err
    official = verified(alone, "--chat-template", str(ORIGINAL), "--accept-mismatch")
    assert official.code == 5
    assert not any(passed(official).values()), official.out
    ours = verified(alone)
    assert ours.code == 0, ours.out + ours.err
    assert all(passed(ours).values())
    assert any(isinstance(case["ask"], list) for case in cases(alone)), "no question of two turns was asked"
    assert not alone.processes()


def cases(world: World) -> list[dict[str, Any]]:
    text = (world.project / "recipes" / "smoke.yaml").read_text(encoding="utf-8")
    cases: list[dict[str, Any]] = yaml.safe_load(text)["verify"]["checks"]
    return cases
