"""Workflows with their versions, categories and tenants in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import queries
from tocsin.domain.category import Category, Tenant
from tocsin.ports.state import StoredWorkflow

D = TypeVar("D")

_encode: Final = msgspec.msgpack.Encoder().encode

_DRAFT: Final = 0


class SqliteWorkflows:
    """Fills `tocsin.ports.state.Workflows`."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("workflows")

    async def put_draft(self, workflow: StoredWorkflow) -> None:
        """Replace the draft, whatever version *workflow* says it is."""
        row = (workflow.key, workflow.document, workflow.at_ms, workflow.by)
        await self._engine.execute(self._sql["put_draft"], row)

    async def publish(self, key: str, document: bytes, by: str, now_ms: int) -> StoredWorkflow:
        """Write the next version."""

        def write(connection: apsw.Connection) -> StoredWorkflow:
            version = connection.execute(self._sql["count"], (key,)).get
            connection.execute(self._sql["publish"], (key, version, document, now_ms, by))
            return StoredWorkflow(key, version, document, now_ms, by=by)

        return await self._engine.write(write)

    async def set_active(self, key: str, active: bool, now_ms: int) -> bool:
        """Switch a published workflow on or off."""
        return await self._engine.execute(self._sql["set_active"], (active, key)) > 0

    async def draft(self, key: str) -> StoredWorkflow | None:
        """Return the draft."""
        return await self.version(key, _DRAFT)

    async def versions(self, key: str) -> Sequence[StoredWorkflow]:
        """Return the published versions, newest first."""
        return await self._stored("versions", (key,))

    async def published(self) -> Sequence[StoredWorkflow]:
        """Return the newest version of every workflow."""
        return await self._stored("published", ())

    async def version(self, key: str, version: int) -> StoredWorkflow | None:
        """Return one version."""
        found = await self._stored("version", (key, version))
        return found[0] if found else None

    async def put_category(self, category: Category, now_ms: int) -> None:
        """Create or replace."""
        row = (category.key, now_ms, _encode(category))
        await self._engine.execute(self._sql["put_category"], row)

    async def categories(self) -> Sequence[Category]:
        """Return all, by key."""
        return await self._documents("categories", Category)

    async def put_tenant(self, tenant: Tenant, now_ms: int) -> None:
        """Create or replace."""
        row = (tenant.key, now_ms, _encode(tenant))
        await self._engine.execute(self._sql["put_tenant"], row)

    async def tenants(self) -> Sequence[Tenant]:
        """Return all, by key."""
        return await self._documents("tenants", Tenant)

    async def _stored(self, query: str, of: tuple[Any, ...]) -> list[StoredWorkflow]:
        def read(connection: apsw.Connection) -> list[StoredWorkflow]:
            return [
                StoredWorkflow(key, version, document, at_ms, bool(active), by)
                for key, version, document, at_ms, active, by in connection.execute(
                    self._sql[query], of
                )
            ]

        return await self._engine.read(read)

    async def _documents(self, query: str, kind: type[D]) -> list[D]:
        def read(connection: apsw.Connection) -> list[D]:
            rows = connection.execute(self._sql[query])
            return [msgspec.msgpack.decode(doc, type=kind) for (doc,) in rows]

        return await self._engine.read(read)
