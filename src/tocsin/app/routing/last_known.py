"""Who people are and what they want, and what critical messages go by when nobody can say."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import structlog

from tocsin.domain.recipient import Recipient
from tocsin.errors import Stopping, Unavailable
from tocsin.ports.state import Recipients, Suppression, Suppressions

PREFERENCES: Final = "preferences"
SUPPRESSIONS: Final = "suppressions"

_CRITICAL: Final = "critical"
K = TypeVar("K")
V = TypeVar("V")
FoundT = TypeVar("FoundT")

logger = structlog.get_logger(__name__)


class Known(NamedTuple, Generic[FoundT]):
    """What was found, and whether that is only what was known last."""

    found: FoundT
    last_known: bool = False


class LastKnown:
    """
    Reads profiles, preferences and suppressions for a lane.

    In the lane critical a message does not wait for a store that is away: it goes by what this
    process last read in that lane. Who was not read then waits, for without a number nobody can be
    told anything; who is on no remembered entry of the suppression list is taken to be on none.
    Every other lane waits. Raises what the ports raise.
    """

    def __init__(
        self, recipients: Recipients, suppressions: Suppressions, *, recipients_max: int
    ) -> None:
        self._recipients = recipients
        self._suppressions = suppressions
        self._by_id: _Newest[str, Recipient] = _Newest(recipients_max)
        self._by_number: _Newest[int, Recipient] = _Newest(recipients_max)
        self._entries: _Newest[int | bytes, tuple[Suppression, ...]] = _Newest(recipients_max)

    async def by_id(self, ids: Sequence[str], lane: str) -> Known[Mapping[str, Recipient]]:
        """Return those that exist."""
        if lane != _CRITICAL:
            return Known(await self._recipients.by_id(ids))
        try:
            found = await self._recipients.by_id(ids)
        except Unavailable as error:
            return Known(self._remembered(self._by_id, ids, error), last_known=True)
        self.note(found.values(), lane)
        return Known(found)

    async def by_number(self, numbers: Sequence[int], lane: str) -> Known[Mapping[int, Recipient]]:
        """Return those that exist."""
        if lane != _CRITICAL:
            return Known(await self._recipients.by_number(numbers))
        try:
            found = await self._recipients.by_number(numbers)
        except Unavailable as error:
            return Known(self._remembered(self._by_number, numbers, error), last_known=True)
        self.note(found.values(), lane)
        return Known(found)

    async def suppressed(
        self, numbers: Sequence[int], digests: Sequence[bytes], lane: str
    ) -> Known[Sequence[Suppression]]:
        """Return the entries that concern those recipients or addresses."""
        if lane != _CRITICAL:
            return Known(await self._suppressions.matching(numbers, digests))
        keys: tuple[int | bytes, ...] = (*numbers, *digests)
        try:
            found = await self._suppressions.matching(numbers, digests)
        except Stopping:
            raise
        except Unavailable as error:
            logger.warning("goes_by_last_known", what=SUPPRESSIONS, code=error.code)
            kept = self._entries.get(keys).values()
            return Known([entry for entries in kept for entry in entries], last_known=True)
        concerned: dict[int | bytes, tuple[Suppression, ...]] = {}
        for entry in found:
            key = entry.recipient if entry.recipient is not None else entry.digest
            if key is not None:
                concerned[key] = (*concerned.get(key, ()), entry)
        self._entries.drop(keys)
        self._entries.put(concerned.items())
        return Known(found)

    def note(self, found: Iterable[Recipient], lane: str) -> None:
        """Remember who was just read or written for *lane*."""
        if lane != _CRITICAL:
            return
        people = tuple(found)
        self._by_id.put((one.id, one) for one in people)
        self._by_number.put((one.number, one) for one in people)

    def _remembered(
        self, newest: _Newest[K, Recipient], keys: Sequence[K], error: Unavailable
    ) -> Mapping[K, Recipient]:
        if isinstance(error, Stopping):
            raise error
        found = newest.get(keys)
        if len(found) < len(set(keys)):
            raise error
        logger.warning("goes_by_last_known", what=PREFERENCES, code=error.code)
        return found


class _Newest(Generic[K, V]):
    """The values that were put last."""

    def __init__(self, values_max: int) -> None:
        self._values: OrderedDict[K, V] = OrderedDict()
        self._values_max = values_max

    def put(self, pairs: Iterable[tuple[K, V]]) -> None:
        """Keep; what was put longest ago makes room."""
        for key, value in pairs:
            self._values[key] = value
            self._values.move_to_end(key)
        while len(self._values) > self._values_max:
            self._values.popitem(last=False)

    def drop(self, keys: Iterable[K]) -> None:
        """Forget."""
        for key in keys:
            self._values.pop(key, None)

    def get(self, keys: Iterable[K]) -> dict[K, V]:
        """Return those that are kept."""
        return {key: self._values[key] for key in keys if key in self._values}
