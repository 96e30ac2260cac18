"""One model, trained once by the real LLaMA-Factory, for every end-to-end test.

The engine environments and the embedded base are those of CONCH_HOME: `make test` builds them first.
"""

from __future__ import annotations

import signal

import pytest

from tests.e2e.world import RUN, SECRETS, Trained, World, lines_of, new_world, wait_until
from tests.watch import Watch


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The project that most tests share."""
    return new_world(tmp_path_factory)


@pytest.fixture(scope="session")
def trained(world: World) -> Trained:
    """Kill the first run in the middle of training, then let the second one finish."""
    runs = world.project / "runs" / "smoke"
    watch = Watch()
    first = world.start(*RUN, env=SECRETS)

    def steps() -> int:
        return lines_of(sorted(runs.glob("*/adapter.partial-0/trainer_log.jsonl")))

    wait_until(lambda: steps() >= 3, seconds=600, meanwhile=first)
    killed_after = steps()
    first.send_signal(signal.SIGKILL)
    first.wait()
    said = world.run(*RUN, env=SECRETS)
    watch.end()
    return Trained(world, killed_after, said, watch)
