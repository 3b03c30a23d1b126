"""A gateway and the inbox's routes on real files, and clients as the how-to describes them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tests.contract.state_stores import SqliteStores
from tests.contract.view_stores import ViewStores
from tocsin.adapters.files.blobs import FolderBlobs
from tocsin.adapters.memory.limiter import MemoryLimiter
from tocsin.adapters.memory.presence import MemoryPresence
from tocsin.adapters.system import VirtualClock
from tocsin.api.inbox import InboxRoutes, ReadRate
from tocsin.app.broadcasts import BroadcastTexts
from tocsin.app.callers import Principal, Scope
from tocsin.app.feed_watch import FeedWatch
from tocsin.app.inbox import InboxDesk
from tocsin.app.inbox_versions import InboxVersions
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.app.tokens import Tokens
from tocsin.app.workflows import WorkflowRegistry
from tocsin.domain.topics import stream_of
from tocsin.gateway.server import SocketServer, SocketSettings, socket_class
from tocsin.gateway.sessions import Sessions
from tocsin.ports.log import Batch

BEGIN_MS = 1_900_000_000_000
HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "inbox-client.md"


def example_client() -> Any:
    """Return the class that the how-to shows."""
    (code,) = re.findall(r"```python\n(.*?)```", HOWTO.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(HOWTO), "exec"), names)
    return names["InboxClient"]


class TokenCallers:
    """Fills `tocsin.gateway.sessions.Callers` with tokens alone."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def token_caller(self, token: str, client: str) -> Principal:
        return self._tokens.verify(token)


class Site:
    """One process: log, views, sockets and routes."""

    def __init__(self, folder: Path, layout: str) -> None:
        self.clock = VirtualClock(BEGIN_MS)
        self.stores = ViewStores(folder, layout)
        self.keep: Callable[[Sequence[Batch]], bool] = _all
        """Which batches the feed carries; the others are lost."""
        self.tokens = Tokens({1: bytes(32)}, 1, wall_ms=self.clock.now_ms)
        self.state = SqliteStores(folder / "state.db", joint=False)
        self.blobs = FolderBlobs(folder / "blobs")
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._follower: asyncio.Task[None] | None = None

    async def open(self, *, sockets_max: int = 5, settings: SocketSettings | None = None) -> None:
        await self.stores.open()
        await self.state.open()
        workflows = await self.state.workflows()
        recipients = await self.state.recipients()
        runs = RunWorkflows(WorkflowRegistry(workflows), workflows)
        stores = self.stores
        texts = BroadcastTexts(stores.log, runs, recipients, self.blobs)
        self.desk = InboxDesk(stores.log, stores.inbox, texts, self.clock, stores.follow())
        self.presence = MemoryPresence()
        self.sessions = Sessions(
            TokenCallers(self.tokens),
            self.desk,
            self.presence,
            node="here",
            spawn=self.spawn,
            wall_ms=self.clock.now_ms,
            sockets_per_recipient_max=sockets_max,
            stream_of=stream_of,
        )
        watch = FeedWatch(self.desk.places, self.desk.ends)
        self.versions = InboxVersions(watch, self.clock.now_ms, "boot", held_max=100)
        stores.feed.subscribe(self._receive)
        routes = InboxRoutes(
            self.desk,
            self.versions,
            MemoryLimiter(self.clock, buckets_max=100),
            ReadRate(100_000, 100_000),
        )
        self.apps = {each.path: each.asgi for each in routes.endpoints() if each.asgi}
        if not stores.joint:
            self._follower = asyncio.get_running_loop().create_task(self._follow())
        await self._listen(settings or SocketSettings(inbound_per_s=10_000, inbound_burst=10_000))

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in tuple(self._state.connections):
            connection.shutdown()
        await self._server.wait_closed()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        self.blobs.close()
        self.state.close()
        self.stores.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def token(self, number: int, *, lives_ms: int = 3_600_000) -> str:
        return self.tokens.mint(number, f"r{number}", [Scope.INBOX], lives_ms=lives_ms)[0]

    async def _follow(self) -> None:
        """Bring the views up to what people do, where they are apart."""
        log = self.stores.log
        while True:
            ends = {("inbox.states", p): log.end("inbox.states", p) for p in range(log.partitions)}
            await self.stores.catch_up()
            await log.wait(ends)

    def _receive(self, batches: Sequence[Batch]) -> None:
        if self.keep(batches):
            self.sessions.receive(batches)
            self.versions.receive(batches)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the two reads to whoever has a token."""
        headers = dict(scope["headers"])
        token = headers[b"authorization"].decode().removeprefix("Bearer ")
        scope["tocsin.caller"] = self.tokens.verify(token)
        await self.apps[scope["path"]](scope, receive, send)

    async def _listen(self, settings: SocketSettings) -> None:
        loop = asyncio.get_running_loop()
        self.sockets = SocketServer(self.sessions, settings, loop)
        config = uvicorn.Config(
            self.app, interface="asgi3", ws=socket_class(self.sockets), log_config=None
        )
        config.load()
        self._state = ServerState()
        self._server = await loop.create_server(
            lambda: HttpToolsProtocol(config=config, server_state=self._state, app_state={}),
            "127.0.0.1",
            0,
        )
        self.port = self._server.sockets[0].getsockname()[1]


def _all(_: Sequence[Batch]) -> bool:
    return True
