"""Categories and tenants: small documents with defaults."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.app.callers import Principal
from tocsin.app.trail import Notes
from tocsin.domain.category import Category, Tenant, read_category, read_tenant
from tocsin.domain.names import no_such
from tocsin.ports.state import Workflows
from tocsin.ports.system import Clock


class Catalogue:
    """
    Puts and finds them.

    ``version`` counts what was put here, so that whoever keeps facts in memory sees a change.
    """

    def __init__(self, store: Workflows, notes: Notes, clock: Clock) -> None:
        self._store = store
        self._notes = notes
        self._clock = clock
        self.version = 0

    async def put_category(self, by: Principal, key: str, document: object) -> Category:
        """Create or replace."""
        by.limits.check(category=key)
        category = read_category(key, document)
        await self._store.put_category(category, self._clock.now_ms())
        self.version += 1
        await self._notes.add(by, "category.put", f"category/{key}")
        return category

    async def category(self, key: str) -> Category:
        """Return one; raises `NotFound`."""
        found = {category.key: category for category in await self._store.categories()}
        if key not in found:
            raise no_such("category", key, found)
        return found[key]

    async def categories(self) -> Sequence[Category]:
        """Return all, ordered by key."""
        return sorted(await self._store.categories(), key=lambda category: category.key)

    async def put_tenant(self, by: Principal, key: str, document: object) -> Tenant:
        """Create or replace."""
        tenant = read_tenant(key, document)
        await self._store.put_tenant(tenant, self._clock.now_ms())
        self.version += 1
        await self._notes.add(by, "tenant.put", f"tenant/{key}")
        return tenant

    async def tenant(self, key: str) -> Tenant:
        """Return one; raises `NotFound`."""
        found = {tenant.key: tenant for tenant in await self._store.tenants()}
        if key not in found:
            raise no_such("tenant", key, found)
        return found[key]

    async def tenants(self) -> Sequence[Tenant]:
        """Return all, ordered by key."""
        return sorted(await self._store.tenants(), key=lambda tenant: tenant.key)
