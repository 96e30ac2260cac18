"""Model servers on demand: started as `conch serve --detach` does, stopped when idle, never while in use.

At most so many are up at once; a further one takes the place of the one that has been idle for longest. A
request waits for its model for a bounded time; after that it is told to try again, and loading goes on.
Servers outlive a killed studio: the next one finds them by their records and takes them over. All methods
but `crowd_out` and `training_over` belong to the server's event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import ConchError
from orchestrator.execute.host.atomic_files import read_text, write_durable
from orchestrator.execute.host.ports import LOOPBACK, free_port
from orchestrator.execute.host.tell import tell
from orchestrator.execute.processes.spawn_daemon import detach, request_of
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.server_record import is_up, serving_of
from orchestrator.execute.run_store.stop import stop_project
from orchestrator.studio.errors import ApiError

_TICK = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingRules:
    """How models are loaded.

    Attributes:
        most: servers that are up at once.
        idle: seconds without a request after which one is stopped.
        wait: seconds that a request waits for its model.
        while_training: whether models are served, and loaded, while a job trains.
    """

    most: int = 1
    idle: float = 600.0
    wait: float = 300.0
    while_training: bool = True


@dataclass
class Server:
    """A server of one recipe's export.

    Attributes:
        loading: done when it is up, or failed. url: of its API, once it is up.
        users: requests that it works on. used: time.monotonic() of the last one.
    """

    recipe: str
    loading: asyncio.Task[str] | None = None
    url: str = ""
    users: int = 0
    used: float = field(default_factory=time.monotonic)


class ModelServers:
    """The servers of a project."""

    def __init__(self, project: Path, folder: Path, rules: ServingRules) -> None:
        self._project, self._rules = project, rules
        self._key_file = folder / "engine.key"
        self.key = (read_text(self._key_file) or "").strip()
        if not self.key:
            self.key = secrets.token_urlsafe(32)
            write_durable(self._key_file, self.key + "\n", mode=0o600)
        # A file for each recipe whose server a studio has started.
        self._marks = folder / "servers"
        self._marks.mkdir(mode=0o700, exist_ok=True)
        self._servers: dict[str, Server] = {}
        self._stopping: set[str] = set()
        self._changed = asyncio.Condition()
        self._mutex = threading.Lock()  # between the loop and crowd_out
        self._training = False

    def adopt(self) -> None:
        """Take over servers that an earlier studio started and that are up; other servers are left alone."""
        for mark in self._marks.iterdir():
            known = mark.name in self._servers or mark.name in self._stopping
            if not known and (url := self._up(mark.name)):
                self._servers[mark.name] = Server(mark.name, url=url)

    def _up(self, recipe: str) -> str | None:
        """The URL of a server that a studio started, "" while it starts; None if there is none."""
        if not (self._marks / recipe).is_file():
            return None
        for run in Run.all(self._project, recipe):
            if is_up(run):
                found = serving_of(run)
                return found.url if found and found.ready else ""
        return None

    @property
    def loaded(self) -> dict[str, int]:
        """Recipe → requests that its server works on; only servers that are up."""
        return {name: one.users for name, one in self._servers.items() if one.url}

    def is_used(self, recipe: str) -> bool:
        """Whether a request is using this recipe's server, or waits for it."""
        server = self._servers.get(recipe)
        return server is not None and server.users > 0

    @asynccontextmanager
    async def lease(self, recipe: str) -> AsyncIterator[str]:
        """The base URL of a recipe's server, which stays up inside the block.

        Raises:
            ApiError: 503 with a time to try again, when it does not come up in time or may not; 500 when it
                cannot be started, with the reason.
        """
        server = await self._room_for(recipe)
        try:
            yield await self._ready(server)
        finally:
            server.users -= 1
            server.used = time.monotonic()
            async with self._changed:
                self._changed.notify_all()

    async def _room_for(self, recipe: str) -> Server:
        """The recipe's server, counted as used; it may still be loading."""
        until = time.monotonic() + self._rules.wait
        while True:
            with self._mutex:
                if (server := self._servers.get(recipe)) is not None:
                    server.users += 1
                    return server
                if self._training and not self._rules.while_training:
                    what = "A training has the machine; models are loaded when it ends."
                    raise ApiError(503, what, code="training_in_progress", retry_after=30)
                if len(self._servers) < self._rules.most:
                    server = self._servers[recipe] = Server(recipe, users=1)
                    server.loading = asyncio.create_task(self._load(server))
                    return server
                idle = min(
                    (one for one in self._servers.values() if one.url and not one.users),
                    key=lambda one: one.used,
                    default=None,
                )
            if idle is not None:
                await self.unload(idle.recipe)
                continue
            left = until - time.monotonic()
            if left <= 0:
                what = f"All {self._rules.most} models that may be loaded at once are in use."
                raise ApiError(503, what, code="models_busy", retry_after=10)
            await self._wait_for_change(min(left, _TICK))

    async def _wait_for_change(self, seconds: float) -> None:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait(), seconds)
            except TimeoutError:
                return

    async def _ready(self, server: Server) -> str:
        if server.url:
            return server.url
        assert server.loading is not None  # noqa: S101  a server without a URL is loading
        try:
            return await asyncio.wait_for(asyncio.shield(server.loading), self._rules.wait)
        except TimeoutError:
            what = f"The model is loading, for more than {self._rules.wait:.0f} s by now. Try again."
            raise ApiError(503, what, code="model_loading", retry_after=10) from None
        except ConchError as error:
            message = "; ".join(one.what for one in error.problems)
            raise ApiError(500, f"The model cannot be loaded: {message}", code="model_not_loaded") from None

    async def _load(self, server: Server) -> str:
        try:
            server.url = await asyncio.to_thread(self._start, server.recipe)
        except BaseException:
            self._servers.pop(server.recipe, None)
            raise
        return server.url

    def _start(self, recipe: str) -> str:
        while recipe in self._stopping:
            time.sleep(_TICK)
        while (url := self._up(recipe)) is not None:  # a studio that was killed has started it
            if url:
                return url
            time.sleep(_TICK)
        (self._marks / recipe).touch(mode=0o600)
        request = request_of(
            "serve",
            recipe,
            chat_template="",
            key_file=str(self._key_file),
            listen=(LOOPBACK, free_port(LOOPBACK)),
        )
        return str(detach(request, project=self._project).message["url"])

    async def unload(self, recipe: str) -> None:
        """Stop a recipe's server, unless a request uses it."""
        with self._mutex:
            server = self._servers.get(recipe)
            if server is None or server.users or not server.url:
                return
            del self._servers[recipe]
            self._stopping.add(recipe)
        await asyncio.to_thread(self._end, recipe)

    def forget(self, recipe: str) -> None:
        """Drop a server that does not answer: the next request starts it again."""
        with self._mutex:
            self._servers.pop(recipe, None)

    def _end(self, recipe: str) -> None:
        try:
            self._stop(recipe)
        finally:
            self._stopping.discard(recipe)

    def _stop(self, recipe: str) -> None:
        if (self._marks / recipe).is_file():
            for run in Run.all(self._project, recipe):
                if is_up(run):
                    stop_project(self._project, run=run)
            (self._marks / recipe).unlink(missing_ok=True)

    def crowd_out(self) -> bool:
        """Make room for a training, from any thread: whether nothing is left that must go first."""
        if self._rules.while_training:
            return True
        with self._mutex:
            self._training = True
            going = [name for name, one in self._servers.items() if not one.users and one.url]
            self._stopping |= set(going)
            for name in going:
                del self._servers[name]
            left = bool(self._servers)
        for name in going:
            self._end(name)
        return not left

    def training_over(self) -> None:
        """Models may be loaded again."""
        with self._mutex:
            self._training = False

    async def stop_idle(self) -> None:
        """Stop what is idle for too long, also of what an earlier studio was starting, for ever."""
        while True:
            await asyncio.sleep(_TICK)
            self.adopt()
            moment = time.monotonic()
            for server in list(self._servers.values()):
                if server.url and not server.users and moment - server.used > self._rules.idle:
                    tell(f"studio: {server.recipe} is idle: stopping its server")
                    await self.unload(server.recipe)

    async def close(self) -> None:
        """Stop every server, also one that is still loading."""
        for server in list(self._servers.values()):
            self._stopping.add(server.recipe)
            await asyncio.to_thread(self._end, server.recipe)
            while server.loading is not None and not server.loading.done():
                await asyncio.wait([server.loading], timeout=_TICK)
                await asyncio.to_thread(self._stop, server.recipe)
        self._servers.clear()
