"""Models on demand: loaded once, unloaded when idle, never while a request runs, with waits that end."""
# Covers studio/model_servers.py

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path

import pytest

from orchestrator.errors import MissingError, Problem
from orchestrator.studio.errors import ApiError
from orchestrator.studio.model_servers import ModelServers, ServingRules


class Servers(ModelServers):
    """Its servers are words."""

    def __init__(self, folder: Path, rules: ServingRules) -> None:
        super().__init__(folder, folder, rules)
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.slow = 0.0
        self.error: MissingError | None = None

    def _start(self, recipe: str) -> str:
        self.started.append(recipe)
        time.sleep(self.slow)
        if self.error:
            raise self.error
        return f"http://{recipe}"

    def _stop(self, recipe: str) -> None:
        self.stopped.append(recipe)


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


def test_a_model_is_loaded_once_for_all_that_wait(tmp_path: Path) -> None:
    servers = Servers(tmp_path, ServingRules())
    servers.slow = 0.1

    async def one() -> str:
        async with servers.lease("a") as url:
            return url

    async def test() -> None:
        assert await asyncio.gather(*(one() for _ in range(20))) == ["http://a"] * 20
        assert servers.started == ["a"]
        assert servers.loaded == {"a": 0}
        await servers.close()

    run(test())
    assert servers.stopped == ["a"]


def test_the_least_used_one_makes_room_but_never_one_in_use(tmp_path: Path) -> None:
    servers = Servers(tmp_path, ServingRules(most=2, wait=0.2))

    async def test() -> None:
        async with servers.lease("a"):
            async with servers.lease("b"):
                with pytest.raises(ApiError) as busy:
                    async with servers.lease("c"):
                        pass
                assert (busy.value.status, busy.value.code) == (503, "models_busy")
                assert busy.value.retry_after
            async with servers.lease("c"):
                assert servers.stopped == ["b"]
                await servers.unload("a")
                assert servers.is_used("a"), "not while it is used"

    run(test())


def test_a_request_waits_for_its_model_and_is_told_when_it_takes_too_long(tmp_path: Path) -> None:
    servers = Servers(tmp_path, ServingRules(wait=0.05))
    servers.slow = 0.4

    async def test() -> None:
        with pytest.raises(ApiError) as late:
            async with servers.lease("a"):
                pass
        assert (late.value.status, late.value.code) == (503, "model_loading")
        await asyncio.sleep(0.6)
        async with servers.lease("a") as url:
            assert url == "http://a", "loading went on"
        assert servers.started == ["a"]

    run(test())


def test_a_model_that_cannot_be_loaded_is_told_and_tried_again(tmp_path: Path) -> None:
    servers = Servers(tmp_path, ServingRules())
    servers.error = MissingError(Problem("out of GPU memory"))

    async def test() -> None:
        with pytest.raises(ApiError, match="out of GPU memory"):
            async with servers.lease("a"):
                pass
        servers.error = None
        async with servers.lease("a") as url:
            assert url == "http://a"

    run(test())


def test_an_idle_model_is_unloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.studio.model_servers._TICK", 0.02)
    servers = Servers(tmp_path, ServingRules(idle=0.1))

    async def test() -> None:
        watching = asyncio.create_task(servers.stop_idle())
        async with servers.lease("a"):
            await asyncio.sleep(0.3)
            assert servers.stopped == [], "a long request is no idleness"
        await asyncio.sleep(0.5)
        assert (servers.stopped, servers.loaded) == (["a"], {})
        watching.cancel()

    run(test())


def test_a_training_that_needs_the_machine_gets_it(tmp_path: Path) -> None:
    servers = Servers(tmp_path, ServingRules(while_training=False))

    async def test() -> None:
        async with servers.lease("a"):
            assert not await asyncio.to_thread(servers.crowd_out), "a request still runs"
        assert await asyncio.to_thread(servers.crowd_out)
        assert servers.stopped == ["a"]
        with pytest.raises(ApiError) as later:
            async with servers.lease("a"):
                pass
        assert later.value.code == "training_in_progress"
        servers.training_over()
        async with servers.lease("a"):
            pass

    run(test())
    assert (tmp_path / "engine.key").stat().st_mode & 0o077 == 0


def test_a_server_that_a_killed_studio_was_starting_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.studio import model_servers

    monkeypatch.setattr(model_servers, "_TICK", 0.05)
    states = iter(["", "", *["http://theirs"] * 9])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it must not be started twice")

    monkeypatch.setattr(model_servers, "detach", refuse)
    servers = ModelServers(tmp_path, tmp_path, ServingRules())
    (tmp_path / "servers/a").touch()
    monkeypatch.setattr(servers, "_up", lambda _: next(states))

    async def test() -> None:
        async with servers.lease("a") as url:
            assert url == "http://theirs"

    run(test())
    again = ModelServers(tmp_path, tmp_path, ServingRules())
    monkeypatch.setattr(again, "_up", lambda _: "http://theirs")
    again.adopt()
    assert again.loaded == {"a": 0}


def test_one_that_is_loading_for_nobody_is_waited_for(tmp_path: Path) -> None:
    servers = Servers(tmp_path, ServingRules(wait=0.1))
    servers.slow = 0.5

    async def test() -> None:
        with pytest.raises(ApiError, match="loading"):
            async with servers.lease("a"):
                pass
        with pytest.raises(ApiError) as busy:
            async with servers.lease("b"):
                pass
        assert busy.value.code == "models_busy"
        await servers.close()

    run(test())
