"""Status webhooks: endpoints that are told what became of deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import Key, check_key, shown_time
from tocsin.app.status_webhooks.desk import StatusWebhookDesk, StatusWebhookInput
from tocsin.app.texts import Line64, Line256, Line4096
from tocsin.domain.status_webhook import StatusWebhook

Names = Annotated[list[Line64], Meta(max_length=20)]


class StatusWebhookBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to call, and of what to tell; an empty list leaves out nothing."""

    url: Line4096
    secret: Line256 | None = None
    states: Names = []
    channels: Names = []
    workflows: Annotated[list[Key], Meta(max_length=100)] = []
    paused: bool = False

    def __repr__(self) -> str:
        return "StatusWebhookBody(…)"


class StatusWebhookAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One endpoint; ``secret`` is in the answer that made it up and in no other."""

    key: str
    url: str
    states: list[str]
    channels: list[str]
    workflows: list[str]
    state: Literal["active", "paused", "disabled"]
    version: int
    created_at: str | None
    changed_at: str | None
    disabled_at: str | None
    failing_since: str | None
    """When the first of the calls failed after which none was taken."""
    secret: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"StatusWebhookAnswer({self.key})"


class StatusWebhookList(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All endpoints, ordered by key."""

    items: list[StatusWebhookAnswer]


class StatusWebhookRoutes:
    """Handlers of ``/v1/status-webhooks``."""

    def __init__(self, desk: StatusWebhookDesk) -> None:
        self._desk = desk

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        all_, one = "/v1/status-webhooks", "/v1/status-webhooks/{key}"
        return (
            Endpoint("GET", all_, "List status webhooks", self.list, {200: StatusWebhookList}),
            Endpoint("GET", one, "Get a status webhook", self.get, {200: StatusWebhookAnswer}),
            Endpoint(
                "PUT",
                one,
                "Create or replace a status webhook",
                self.put,
                {200: StatusWebhookAnswer},
                body=StatusWebhookBody,
                secret_answer=True,
            ),
            Endpoint("DELETE", one, "Remove a status webhook", self.delete, {204: None}),
        )

    async def list(self, call: Call) -> Answer:
        """Answer all."""
        return Answer(
            StatusWebhookList(items=[await self._show(each) for each in await self._desk.all()])
        )

    async def get(self, call: Call) -> Answer:
        """Answer one."""
        return Answer(await self._show(await self._desk.get(check_key(call.path["key"]))))

    async def put(self, call: Call) -> Answer:
        """Create or replace."""
        body = call.body(StatusWebhookBody)
        given = StatusWebhookInput(
            url=body.url,
            secret=body.secret,
            states=tuple(body.states),
            channels=tuple(body.channels),
            workflows=tuple(body.workflows),
            paused=body.paused,
        )
        webhook, secret = await self._desk.put(call.by, check_key(call.path["key"]), given)
        shown = _shown(webhook, failing_ms=None)
        if secret is not None:
            shown.secret = secret
        return Answer(shown)

    async def delete(self, call: Call) -> Answer:
        """Remove one."""
        await self._desk.delete(call.by, check_key(call.path["key"]))
        return Answer(status=204)

    async def _show(self, webhook: StatusWebhook) -> StatusWebhookAnswer:
        return _shown(webhook, await self._desk.failing_ms(webhook))


def _shown(webhook: StatusWebhook, failing_ms: int | None) -> StatusWebhookAnswer:
    state: Literal["active", "paused", "disabled"] = "paused" if webhook.paused else "active"
    return StatusWebhookAnswer(
        key=webhook.key,
        url=webhook.url,
        states=list(webhook.states),
        channels=list(webhook.channels),
        workflows=list(webhook.workflows),
        state=state if webhook.disabled_ms is None else "disabled",
        version=webhook.version,
        created_at=shown_time(webhook.created_ms),
        changed_at=shown_time(webhook.changed_ms),
        disabled_at=shown_time(webhook.disabled_ms),
        failing_since=shown_time(failing_ms),
    )
