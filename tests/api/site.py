"""A whole HTTP side on SQLite in a folder of its own, with keys of every role."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client import CollectorRegistry

from tests.contract.state_stores import SqliteStores
from tocsin.adapters.files.journal import FileOptOutJournal
from tocsin.adapters.memory.limiter import MemoryLimiter
from tocsin.adapters.sealing import AesSealer
from tocsin.adapters.system import SystemChance, VirtualClock
from tocsin.api.app import Api
from tocsin.api.endpoint import Endpoint
from tocsin.api.idempotency import Repeats
from tocsin.api.parts import ApiParts, HttpLimits
from tocsin.app.access import Access
from tocsin.app.addresses import AddressBook
from tocsin.app.callers import LOCAL, Scope
from tocsin.app.catalogue import Catalogue
from tocsin.app.groups import Groups, Objects
from tocsin.app.importing import Importing
from tocsin.app.keys import KeyRing
from tocsin.app.optouts import OptOuts
from tocsin.app.people import People
from tocsin.app.suppressing import SuppressionList
from tocsin.app.token_desk import TokenDesk
from tocsin.app.tokens import Tokens
from tocsin.app.trail import Notes
from tocsin.app.workflows import WorkflowDesk, WorkflowRegistry
from tocsin.ports.state import Change, Keys, Recipients, Suppressions, Trail

BEGIN_MS = 1_900_000_000_000
LIMITS = HttpLimits(
    request_bytes_max=65_536,
    requests_max=64,
    request_ms=10_000,
    requests_per_s=1_000_000,
    requests_burst=1_000_000,
    linger_ms=100,
    allowed_origins=("https://shop.example",),
)
Answer = httpx2.Response


class Site:
    """Everything behind the routes, and clients to call them."""

    recipients: Recipients
    suppressions: Suppressions
    trail: Trail
    access: Access
    tokens: Tokens
    keys: KeyRing
    key_store: Keys
    people: People
    optouts: OptOuts
    registry: WorkflowRegistry
    api: Api

    def __init__(
        self,
        folder: Path,
        *,
        limits: HttpLimits = LIMITS,
        endpoints: Sequence[Endpoint] = (),
    ) -> None:
        self.clock = VirtualClock(BEGIN_MS)
        self.chance = SystemChance()
        self.stores = SqliteStores(folder / "state.db", joint=True)
        self.journal = FileOptOutJournal(folder / "opt-outs")
        self.sealer = AesSealer([bytes(range(32))], self.chance)
        self.stopping = False
        self._limits = limits
        self._endpoints = endpoints

    async def open(self) -> None:
        await self.stores.open()
        self.recipients = await self.stores.recipients()
        self.suppressions = await self.stores.suppressions()
        self.trail = await self.stores.trail()
        self.api = Api(await self._parts())
        await self.access.refresh()

    def close(self) -> None:
        self.journal.close()
        self.stores.close()

    async def key(self, *roles: str, **limits: Any) -> str:
        """Make a key and return it."""
        _, text = await self.keys.create(LOCAL, "test", roles, **limits)
        return text

    async def token(self, recipient: str, *scopes: Scope) -> str:
        """Return a token of *recipient*, who is created if need be."""
        one = (await self.people.ensure([recipient]))[recipient]
        return self.tokens.mint(one.number, one.id, scopes, lives_ms=3_600_000)[0]

    def client(
        self, credential: str | None = None, *, local: bool = False, address: str = "192.0.2.7"
    ) -> httpx2.AsyncClient:
        """Return a client that sends *credential* from *address*."""
        headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
        app = self.api.local() if local else self.api.network()
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, client=(address, 5000)),
            base_url="http://tocsin.test",
            headers=headers,
        )

    async def changes(self) -> list[Change]:
        """Return the whole trail."""
        return [change async for change in self.trail.entries(0)]

    async def _parts(self) -> ApiParts:
        now_ms, clock = self.clock.now_ms, self.clock
        notes = Notes(self.trail, clock)
        limiter = MemoryLimiter(clock, buckets_max=1_000)
        book = AddressBook(self.sealer)
        self.tokens = Tokens({1: bytes(32)}, 1, wall_ms=now_ms)
        keys = self.key_store = await self.stores.keys()
        self.access = Access(keys, self.tokens, limiter, wall_ms=now_ms)
        self.keys = KeyRing(keys, self.access, self.trail, self.chance, wall_ms=now_ms)
        self.optouts = OptOuts(self.journal, self.sealer)
        self.people = People(
            self.recipients, await self.stores.erasures(), self.optouts, notes, book, clock
        )
        audiences = await self.stores.audiences()
        workflows = await self.stores.workflows()
        self.registry = WorkflowRegistry(workflows)
        return ApiParts(
            access=self.access,
            people=self.people,
            importing=Importing(self.recipients, self.optouts, notes, book, clock),
            groups=Groups(audiences, self.people, notes, clock),
            objects=Objects(audiences, self.people, notes, clock),
            suppressions=SuppressionList(
                self.suppressions, self.people, self.optouts, notes, clock
            ),
            catalogue=Catalogue(workflows, notes, clock),
            workflows=WorkflowDesk(
                workflows,
                self.registry,
                notes,
                clock,
                configured=lambda: ("inbox",),
                telling=dict,
            ),
            tokens=TokenDesk(self.tokens, self.people, notes, token_ms=3_600_000),
            keys=self.keys,
            repeats=Repeats(await self.stores.idempotency(), self.sealer, clock),
            limiter=limiter,
            chance=self.chance,
            registry=CollectorRegistry(),
            checks={"store": _fine},
            look=_look,
            limits=self._limits,
            stopping=lambda: self.stopping,
            now_s=clock.monotonic,
            channels=("inbox", "email"),
            endpoints=self._endpoints,
        )


async def _fine() -> str | None:
    return None


async def _look() -> None:
    """There is no backlog here."""
