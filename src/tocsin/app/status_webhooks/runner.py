"""A teller for each endpoint that is active."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from tocsin.app.status_webhooks.teller import Teller, TellerParts
from tocsin.domain.status_webhook import StatusWebhook
from tocsin.errors import Stopping, StorageFailed, Unavailable

_AGAIN_MS: Final = 500
_BROKEN_REST_MS: Final = 60_000

logger = structlog.get_logger(__name__)


class StatusWebhookRunner:
    """Starts and ends tellers as endpoints come, change and go."""

    def __init__(self, parts: TellerParts) -> None:
        self._parts = parts
        self._changed = asyncio.Event()
        self._tellers: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._at_work: dict[str, Teller] = {}
        self._looking = True
        parts.rows.on_change(self._changed.set)

    @property
    def calls(self) -> Mapping[str, int]:
        """Calls by how they ended, how many endpoints were given up, and what broke off."""
        return self._parts.calls

    def busy(self) -> bool:
        """Return whether an endpoint is to be told something, or one has come or gone."""
        tellers = self._at_work.values()
        return self._looking or self._changed.is_set() or any(each.busy() for each in tellers)

    def next_ms(self) -> int | None:
        """Return when an endpoint that failed is tried again; None without any."""
        times = [each.next_ms() for each in self._at_work.values()]
        return min((at_ms for at_ms in times if at_ms is not None), default=None)

    async def run(self) -> None:
        """Tell every endpoint until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                self._looking = True
                rows = {each.key: each for each in await self._all()}
                for key, (version, task) in list(self._tellers.items()):
                    # A change is a new version. One that was given up ends by itself, and has
                    # a note to write before.
                    if key not in rows or rows[key].version != version:
                        await self._end(key, task)
                for key, webhook in rows.items():
                    if webhook.active and key not in self._tellers:
                        # Not when its task begins: until then nobody would be at work.
                        self._at_work[key] = Teller(webhook, self._parts)
                        task = tasks.create_task(self._tell(webhook))
                        self._tellers[key] = (webhook.version, task)
                self._looking = False
                await self._changed.wait()

    async def _all(self) -> list[StatusWebhook]:
        while True:
            try:
                return list(await self._parts.rows.all())
            except Unavailable as error:
                logger.warning("role_waits", role="status_webhooks", code=error.code)
                await self._parts.clock.pause(_AGAIN_MS)

    async def _end(self, key: str, task: asyncio.Task[None]) -> None:
        del self._tellers[key]
        task.cancel()
        await asyncio.wait((task,))
        self._at_work.pop(key, None)

    async def _tell(self, webhook: StatusWebhook) -> None:
        """Begin anew after what broke it off: it goes on from what was written down."""
        while True:
            try:
                await self._at_work[webhook.key].run()
            except Stopping:
                break
            except Unavailable as error:
                logger.warning("role_waits", role="status_webhook", code=error.code)
                await self._parts.clock.pause(_AGAIN_MS)
                self._at_work[webhook.key] = Teller(webhook, self._parts)
            except StorageFailed:
                raise
            except Exception as error:
                # A mistake of ours about one endpoint must not silence the others.
                logger.exception(
                    "status_webhook_broken", key=webhook.key, error=type(error).__name__
                )
                self._parts.calls["broken"] += 1
                teller = self._at_work[webhook.key] = Teller(webhook, self._parts)
                await teller.rest(_BROKEN_REST_MS)
            else:
                break
        # Given up, or gone: what it has not told keeps nobody waiting.
        del self._at_work[webhook.key]
