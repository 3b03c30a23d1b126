"""Documents of workflows, categories and tenants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tocsin.domain.category import Category, Tenant


class StoredWorkflow(msgspec.Struct, frozen=True):
    """One version of a workflow's document; version 0 is the draft."""

    key: str
    version: int
    document: bytes
    """JSON."""
    at_ms: int
    active: bool = True
    by: str = ""


class Workflows(Protocol):
    """Workflow documents with draft and versions, categories, tenants. Small; read at start."""

    async def put_draft(self, workflow: StoredWorkflow) -> None:
        """Replace the draft."""

    async def publish(self, key: str, document: bytes, by: str, now_ms: int) -> StoredWorkflow:
        """Make *document* the next version and the active one, atomically."""

    async def set_active(self, key: str, active: bool, now_ms: int) -> bool:
        """Switch all runs of a workflow on or off; False when there is none."""

    async def draft(self, key: str) -> StoredWorkflow | None:
        """Return the draft."""

    async def versions(self, key: str) -> Sequence[StoredWorkflow]:
        """Return the published versions, newest first."""

    async def published(self) -> Sequence[StoredWorkflow]:
        """Return the newest published version of every workflow."""

    async def version(self, key: str, version: int) -> StoredWorkflow | None:
        """Return one published version, kept as long as the ledger."""

    async def put_category(self, category: Category, now_ms: int) -> None:
        """Create or replace."""

    async def categories(self) -> Sequence[Category]:
        """Return all."""

    async def put_tenant(self, tenant: Tenant, now_ms: int) -> None:
        """Create or replace."""

    async def tenants(self) -> Sequence[Tenant]:
        """Return all."""
