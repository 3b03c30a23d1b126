"""Categories and tenants."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import Document, check_key
from tocsin.app.catalogue import Catalogue
from tocsin.domain.category import show_category, show_tenant


class DocumentList(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All documents of a kind, ordered by key."""

    items: list[Document]


class CatalogueRoutes:
    """Handlers of ``/v1/categories`` and ``/v1/tenants``."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        one, all_ = {200: Document}, {200: DocumentList}
        category, tenant = "/v1/categories/{key}", "/v1/tenants/{key}"
        return (
            Endpoint("GET", "/v1/categories", "List categories", self.categories, all_),
            Endpoint("GET", category, "Get a category", self.category, one),
            Endpoint(
                "PUT",
                category,
                "Create or replace a category",
                self.put_category,
                one,
                body=Document,
            ),
            Endpoint("GET", "/v1/tenants", "List tenants", self.tenants, all_),
            Endpoint("GET", tenant, "Get a tenant", self.tenant, one),
            Endpoint(
                "PUT", tenant, "Create or replace a tenant", self.put_tenant, one, body=Document
            ),
        )

    async def categories(self, call: Call) -> Answer:
        """Answer all."""
        found = await self._catalogue.categories()
        return Answer(DocumentList(items=[show_category(category) for category in found]))

    async def category(self, call: Call) -> Answer:
        """Answer one."""
        return Answer(show_category(await self._catalogue.category(check_key(call.path["key"]))))

    async def put_category(self, call: Call) -> Answer:
        """Create or replace."""
        key = check_key(call.path["key"])
        return Answer(
            show_category(await self._catalogue.put_category(call.by, key, call.body(dict)))
        )

    async def tenants(self, call: Call) -> Answer:
        """Answer all."""
        found = await self._catalogue.tenants()
        return Answer(DocumentList(items=[show_tenant(tenant) for tenant in found]))

    async def tenant(self, call: Call) -> Answer:
        """Answer one."""
        return Answer(show_tenant(await self._catalogue.tenant(check_key(call.path["key"]))))

    async def put_tenant(self, call: Call) -> Answer:
        """Create or replace."""
        key = check_key(call.path["key"])
        return Answer(show_tenant(await self._catalogue.put_tenant(call.by, key, call.body(dict))))
