"""The workflows and defaults that runs need, at hand without waiting."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

import msgspec

from tocsin.app.freshness import keep_fresh
from tocsin.app.workflows import WorkflowRegistry
from tocsin.domain.category import Category, Tenant
from tocsin.domain.workflow import Workflow, compile_workflow
from tocsin.domain.workflow_read import read_document
from tocsin.errors import NotFound, RequestRefused
from tocsin.ports.state import Workflows
from tocsin.ports.system import Sleep

_BY_HAND_MAX: Final = 256
_FRESH_S: Final = 3.0


class RunWorkflows:
    """Published versions, messages sent by hand, categories and tenants."""

    def __init__(self, registry: WorkflowRegistry, store: Workflows) -> None:
        self._registry = registry
        self._store = store
        self._by_hand: OrderedDict[bytes, Workflow] = OrderedDict()
        self._categories: dict[str, Category] = {}
        self._tenants: dict[str, Tenant] = {}

    def active(self, key: str) -> bool:
        """Return whether the workflow is switched on."""
        return self._registry.active(key)

    def category(self, key: str) -> Category | None:
        """Return a category's defaults."""
        return self._categories.get(key)

    def tenant(self, key: str) -> Tenant | None:
        """Return a tenant's defaults."""
        return self._tenants.get(key)

    def at_hand(self, key: str, version: int) -> Workflow | None:
        """Return a published version that needs no waiting."""
        return self._registry.get(key, version)

    async def version(self, key: str, version: int, content: bytes | None) -> Workflow:
        """
        Return the workflow that a run began with; *content* is that of a message by hand.

        Raises `NotFound` for a version that was never published, and for what this release's
        rules refuse though an earlier one's did not: the run is poison then.
        """
        try:
            if content is not None:
                return self._sent_by_hand(content)
            found = self._registry.get(key, version) or await self._registry.load(key, version)
        except RequestRefused as refused:
            # Whoever asks now did not write it.
            what = f"version {version} of the workflow {key}"
            raise NotFound(f"{what} cannot be read any more: {refused.detail}") from refused
        if found is None:
            raise NotFound(f"version {version} of the workflow {key} was never published")
        return found

    async def refresh(self) -> None:
        """Read categories and tenants anew."""
        self._categories = {each.key: each for each in await self._store.categories()}
        self._tenants = {each.key: each for each in await self._store.tenants()}

    async def follow(self, sleep: Sleep = asyncio.sleep) -> None:
        """Keep them fresh until cancelled: at most 5 s old."""
        await keep_fresh(self.refresh, _FRESH_S, sleep)

    def _sent_by_hand(self, content: bytes) -> Workflow:
        found = self._by_hand.get(content)
        if found is None:
            document = read_document(msgspec.json.decode(content))
            found = compile_workflow(document, 0)
            if len(self._by_hand) >= _BY_HAND_MAX:
                self._by_hand.popitem(last=False)
            self._by_hand[content] = found
        return found
