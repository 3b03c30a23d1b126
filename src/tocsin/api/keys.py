"""API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import Key, given_time, shown_time
from tocsin.app.keys import KeyRing
from tocsin.app.texts import Line64, Line256
from tocsin.ports.state import ApiKey

Keys = Annotated[list[Key], Meta(max_length=100)]
Texts = Annotated[list[Line256], Meta(max_length=100)]


class KeyInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key's name, its roles, and what it is limited to; an empty list is no limit."""

    name: Key
    roles: Annotated[list[str], Meta(min_length=1, max_length=10)]
    workflows: Keys = []
    categories: Keys = []
    sources: Texts = []
    lanes: Annotated[list[str], Meta(max_length=3)] = []
    rate_per_s: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    expires_at: Line64 | None = None


class KeyAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key; ``key`` itself is in the answer that made it and in no other."""

    id: str
    name: str
    roles: list[str]
    workflows: list[str]
    categories: list[str]
    sources: list[str]
    lanes: list[str]
    rate_per_s: int | None
    created_at: str | None
    expires_at: str | None
    revoked_at: str | None
    key: str | None = None

    def __repr__(self) -> str:
        return f"KeyAnswer({self.id})"


class KeyList(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All keys, newest first."""

    items: list[KeyAnswer]


class KeyRoutes:
    """Handlers of ``/v1/keys``."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (
            Endpoint("GET", "/v1/keys", "List keys", self.list, {200: KeyList}),
            Endpoint(
                "POST",
                "/v1/keys",
                "Make a key",
                self.create,
                {201: KeyAnswer},
                body=KeyInput,
                secret_answer=True,
            ),
            Endpoint("DELETE", "/v1/keys/{id}", "Revoke a key", self.revoke, {204: None}),
        )

    async def list(self, call: Call) -> Answer:
        """Answer all."""
        return Answer(KeyList(items=[_show(key) for key in await self._ring.list()]))

    async def create(self, call: Call) -> Answer:
        """Make one."""
        given = call.body(KeyInput)
        key, text = await self._ring.create(
            call.by,
            given.name,
            given.roles,
            workflows=given.workflows,
            categories=given.categories,
            sources=given.sources,
            lanes=given.lanes,
            rate_per_s=given.rate_per_s,
            expires_ms=given_time(given.expires_at, "/expires_at"),
        )
        return Answer(_show(key, text), status=201)

    async def revoke(self, call: Call) -> Answer:
        """Revoke one."""
        await self._ring.revoke(call.by, call.path["id"])
        return Answer(status=204)


def _show(key: ApiKey, text: str | None = None) -> KeyAnswer:
    return KeyAnswer(
        id=key.id,
        name=key.name,
        roles=list(key.roles),
        workflows=list(key.workflows),
        categories=list(key.categories),
        sources=list(key.sources),
        lanes=list(key.lanes),
        rate_per_s=key.rate_per_s,
        created_at=shown_time(key.created_ms),
        expires_at=shown_time(key.expires_ms),
        revoked_at=shown_time(key.revoked_ms),
        key=text,
    )
