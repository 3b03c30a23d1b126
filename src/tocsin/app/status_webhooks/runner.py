"""A teller for each endpoint that is active."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from tocsin.app.status_webhooks.teller import Teller, TellerParts
from tocsin.domain.status_webhook import StatusWebhook
from tocsin.errors import Stopping, Unavailable

_AGAIN_MS: Final = 500

logger = structlog.get_logger(__name__)


class StatusWebhookRunner:
    """Starts and ends tellers as endpoints come, change and go."""

    def __init__(self, parts: TellerParts) -> None:
        self._parts = parts
        self._changed = asyncio.Event()
        self._tellers: dict[str, tuple[int, asyncio.Task[None]]] = {}
        parts.rows.on_change(self._changed.set)

    async def run(self) -> None:
        """Tell every endpoint until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                rows = {each.key: each for each in await self._all()}
                for key, (version, task) in list(self._tellers.items()):
                    # A change is a new version. One that was given up ends by itself, and has
                    # a note to write before.
                    if key not in rows or rows[key].version != version:
                        await self._end(key, task)
                for key, webhook in rows.items():
                    if webhook.active and key not in self._tellers:
                        task = tasks.create_task(self._tell(webhook))
                        self._tellers[key] = (webhook.version, task)
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

    async def _tell(self, webhook: StatusWebhook) -> None:
        """Begin anew where the store was away: it goes on from what was written down."""
        while True:
            try:
                await Teller(webhook, self._parts).run()
            except Stopping:
                return
            except Unavailable as error:
                logger.warning("role_waits", role="status_webhook", code=error.code)
                await self._parts.clock.pause(_AGAIN_MS)
            else:
                return
