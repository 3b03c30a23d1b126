"""Endpoints that fail for days are not called any more, and their owner is told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from tocsin.app.delivering.calling import Called
from tocsin.app.versions import at_last, put_unless_late
from tocsin.domain.endpoints import Patience, Turn, turn, turned
from tocsin.domain.recipient import Address, Recipient
from tocsin.errors import TocsinError
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason
from tocsin.ports.state import Recipients

_COUNTED_MAX: Final = 100_000
_NOT_ITS_FAULT: Final = frozenset(
    {ProviderReason.THROTTLED, ProviderReason.OUR_FAULT, ProviderReason.DEAD_ADDRESS}
)
"""Who says that it has too much is there; who says that it has gone leaves the registry at once."""

Place = tuple[int, int]
"""(recipient's number, address's number)"""

logger = structlog.get_logger(__name__)


class Failing(NamedTuple):
    """An endpoint that is about to be disabled."""

    recipient: Recipient
    address: Address


Tell = Callable[[Failing], Awaitable[None]]


class EndpointHealth:
    """
    Follows endpoints that belong to addresses, by the documents of their recipients.

    A version is written when an endpoint begins to fail, when it answers again, and when it is
    disabled: not for each call. How often it has failed is counted here; after a restart the
    count begins anew, which makes it wait longer and never less. Its owner is told *before* it is
    disabled, under an id of its own for each time that it began to fail: after a crash between
    the two she is told of it once.
    """

    def __init__(self, recipients: Recipients, tell: Tell, patience: Patience) -> None:
        self._recipients = recipients
        self._tell = tell
        self._patience = patience
        self._failures: OrderedDict[Place, int] = OrderedDict()

    async def note(self, calls: Sequence[Called], now_ms: int) -> None:
        """Take in how *calls* ended, of those providers whose addresses are endpoints."""
        turns: dict[Place, Turn] = {}
        for called in calls:
            if called.made and called.wired.provider.flags.per_host:
                self._take(called, turns, now_ms)
        telling = {place for place, each in turns.items() if each is Turn.DISABLED}
        told = await self._told(telling)
        change = {place: each for place, each in turns.items() if each is not Turn.DISABLED}
        await self._change(change | dict.fromkeys(told, Turn.DISABLED), now_ms)

    def _take(self, called: Called, turns: dict[Place, Turn], now_ms: int) -> None:
        for work, outcome in zip(called.works, called.outcomes, strict=True):
            answered = _answered(outcome)
            if answered is None or work.address is None:
                continue
            place = (work.handoff.recipient, work.handoff.address)
            failures = self._count(place, work.address, answered=answered)
            found = turn(
                work.address,
                answered=answered,
                failures=failures,
                now_ms=now_ms,
                patience=self._patience,
            )
            if found is not Turn.NOTHING:
                turns[place] = found

    def _count(self, place: Place, address: Address, *, answered: bool) -> int:
        if answered:
            self._failures.pop(place, None)
            return 0
        before = 0 if address.failing_ms is None else self._failures.pop(place, 0)
        self._failures[place] = before + 1
        if len(self._failures) > _COUNTED_MAX:
            self._failures.popitem(last=False)
        return before + 1

    async def _told(self, places: set[Place]) -> list[Place]:
        """Tell the owners of those that fail still; what could not be told waits for a next time."""
        people = await self._recipients.by_number(list({number for number, _ in places}))
        told = []
        for place in places:
            recipient = people.get(place[0])
            address = None if recipient is None else recipient.address(place[1])
            if recipient is None or address is None or address.failing_ms is None:
                continue
            try:
                await self._tell(Failing(recipient, address))
            except TocsinError as error:
                logger.warning("endpoint_not_told", code=error.code)
                continue
            logger.warning("endpoint_disabled", recipient=place[0], address=place[1])
            told.append(place)
        return told

    async def _change(self, turns: Mapping[Place, Turn], now_ms: int) -> None:
        async def put() -> Sequence[Recipient] | None:
            people = await self._recipients.by_number(list({number for number, _ in turns}))
            changed = [_after(one, turns, now_ms) for one in people.values()]
            return await put_unless_late(
                self._recipients, [one for one in changed if one is not None]
            )

        if turns:
            await at_last(put)


def _answered(outcome: ProviderOutcome) -> bool | None:
    """Return whether the endpoint did its part; None where that is not known."""
    if isinstance(outcome, Accepted):
        return True
    return None if outcome.reason in _NOT_ITS_FAULT else False


def _after(one: Recipient, turns: Mapping[Place, Turn], now_ms: int) -> Recipient | None:
    addresses = tuple(
        turned(each, turns.get((one.number, each.number), Turn.NOTHING), now_ms)
        for each in one.addresses
    )
    if addresses == one.addresses:
        return None
    return replace(one, addresses=addresses, version=one.version + 1, changed_ms=now_ms)
