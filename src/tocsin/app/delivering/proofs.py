"""What receipts prove of calls whose answers were lost, or never heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from tocsin.app.receipts.early import EarlyReceipts
from tocsin.app.receipts.reports import CLIENT, proves
from tocsin.domain.records import Reported


class Proofs:
    """Knows which messages were taken, by what was reported before their calls' outcomes."""

    def __init__(self, early: EarlyReceipts, caught_up: Callable[[], Awaitable[None]]) -> None:
        """*caught_up* returns when every receipt that is on the log has been looked at."""
        self._early = early
        self._caught_up = caught_up

    async def of(self, calls: Mapping[bytes, str]) -> Collection[bytes]:
        """
        Return the deliveries that were taken; without any it costs no look.

        *calls* says who was called with each: nobody else but its recipient knows about it.
        """
        if not calls:
            return ()
        await self._caught_up()
        reports = await self._early.of(calls)
        return {of for of, some in reports.items() if any(_shows(r, calls[of]) for r in some)}


def _shows(report: Reported, called: str) -> bool:
    # That nobody took a call is no reason not to make it again.
    return report.provider in (called, CLIENT) and proves(report)
