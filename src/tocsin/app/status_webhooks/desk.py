"""What people do with status webhooks: put, list and remove them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from tocsin.app.callers import Principal
from tocsin.app.status_webhooks.reading import ends_of, spots_of
from tocsin.app.status_webhooks.teller import open_secret, secret_place
from tocsin.app.trail import Notes
from tocsin.domain.hosts import Reach
from tocsin.domain.status_webhook import StatusWebhook, Told, check_selection
from tocsin.domain.urls import public_url
from tocsin.domain.webhook_signing import SECRET_BYTES, check_secrets, new_secret
from tocsin.errors import Conflict, NotFound
from tocsin.ports.cache import Sealer
from tocsin.ports.log import Log
from tocsin.ports.state import StatusWebhooks
from tocsin.ports.system import Chance, Clock


class StatusWebhookInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An endpoint as somebody wants it; without a secret the one that it has is kept."""

    url: str
    secret: str | None = None
    states: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    paused: bool = False

    def __repr__(self) -> str:
        return "StatusWebhookInput(…)"


class StatusWebhookDesk:
    """Keeps endpoints; who is told what follows from their rows."""

    def __init__(
        self,
        rows: StatusWebhooks,
        log: Log,
        sealer: Sealer,
        notes: Notes,
        clock: Clock,
        chance: Chance,
        reach: Reach,
        *,
        webhooks_max: int,
    ) -> None:
        self._rows = rows
        self._log = log
        self._sealer = sealer
        self._notes = notes
        self._clock = clock
        self._chance = chance
        self._reach = reach
        self._webhooks_max = webhooks_max

    async def all(self) -> Sequence[StatusWebhook]:
        """Return all, by key."""
        return await self._rows.all()

    async def get(self, key: str) -> StatusWebhook:
        """Return one; raises `NotFound`."""
        for each in await self._rows.all():
            if each.key == key:
                return each
        raise NotFound("there is no such status webhook")

    async def failing_ms(self, webhook: StatusWebhook) -> int | None:
        """Return since when it has taken no call, None when the last was taken or none was made."""
        told = await self._rows.told(webhook.key)
        if told is None or told.version != webhook.version:
            return None
        return told.failing_ms

    async def put(
        self, by: Principal, key: str, given: StatusWebhookInput
    ) -> tuple[StatusWebhook, str | None]:
        """
        Create or replace, and return it with its secret if that was made up now.

        One that is new is told what happens from now on. Putting one that was given up lets it
        have what it has not been told, as far back as the log goes. Raises `RequestRefused`.
        """
        url = public_url(given.url, self._reach)
        check_selection(given.states, given.channels)
        if given.secret is not None:
            check_secrets(given.secret)
        known = {each.key: each for each in await self._rows.all()}
        before = known.get(key)
        if before is None and len(known) >= self._webhooks_max:
            raise Conflict(f"there are at most {self._webhooks_max}", code="too_many")
        made = None
        secret = given.secret
        if secret is None and before is None:
            secret = made = new_secret(self._chance.bytes(SECRET_BYTES))
        elif secret is None and before is not None:
            secret = open_secret(self._sealer, before)
        assert secret is not None
        now_ms = self._clock.now_ms()
        webhook = StatusWebhook(
            key=key,
            url=url,
            sealed_secret=self._sealer.seal(secret, place=secret_place(key)),
            states=given.states,
            channels=given.channels,
            workflows=given.workflows,
            paused=given.paused,
            created_ms=now_ms,
            changed_ms=now_ms,
        )
        if before is not None:
            webhook = replace(webhook, version=before.version + 1, created_ms=before.created_ms)
        told = Told(spots_of(ends_of(self._log)), version=webhook.version, at_ms=now_ms)
        await self._rows.put(webhook, told)
        await self._notes.add(by, "status_webhook.put", f"status_webhook/{key}")
        return webhook, made

    async def delete(self, by: Principal, key: str) -> None:
        """Remove one; raises `NotFound`."""
        if not await self._rows.delete(key):
            raise NotFound("there is no such status webhook")
        await self._notes.add(by, "status_webhook.delete", f"status_webhook/{key}")
