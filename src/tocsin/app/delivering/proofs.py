"""What receipts prove of calls whose answers were lost, or never heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from tocsin.app.receipts.early import EarlyReceipts
from tocsin.app.receipts.reports import proves


class Proofs:
    """Knows which messages were taken, by what was reported before their calls' outcomes."""

    def __init__(self, early: EarlyReceipts, caught_up: Callable[[], Awaitable[None]]) -> None:
        """*caught_up* returns when every receipt that is on the log has been looked at."""
        self._early = early
        self._caught_up = caught_up

    async def of(self, deliveries: Collection[bytes]) -> Collection[bytes]:
        """Return those that were taken; without *deliveries* it costs no look."""
        if not deliveries:
            return ()
        await self._caught_up()
        reports = await self._early.of(deliveries)
        # That nobody took a call is no reason not to make it again.
        return {of for of, some in reports.items() if any(map(proves, some))}
