"""The suppression list: who must not be sent to, whatever else says yes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from tocsin.app.addresses import address_field, mask
from tocsin.app.callers import Principal
from tocsin.app.optouts import OptOuts
from tocsin.app.people import People
from tocsin.app.trail import Notes
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.errors import FieldProblem, NotFound, RequestRefused
from tocsin.ports.state import Suppression, Suppressions
from tocsin.ports.system import Clock

CHANNELS: Final = tuple(CHANNEL_FIELDS)


class SuppressionList:
    """Adds, removes and lists entries. The same entry twice is one."""

    def __init__(
        self,
        suppressions: Suppressions,
        people: People,
        optouts: OptOuts,
        notes: Notes,
        clock: Clock,
    ) -> None:
        self._suppressions = suppressions
        self._people = people
        self._optouts = optouts
        self._notes = notes
        self._clock = clock

    async def add(
        self,
        by: Principal,
        *,
        recipient: str | None,
        channel: str | None,
        address: str | None,
        provider: str | None,
        reason: str,
    ) -> tuple[Suppression, str | None]:
        """
        Add an entry for a recipient (on one channel or on all) or for an address of a channel.

        Returns it with the recipient's id.
        """
        _check_channel(channel)
        if (recipient is None) == (address is None):
            raise RequestRefused("name either a recipient or an address")
        number = digest = None
        hint = ""
        if address is not None:
            digest, hint = self._address(channel, provider, address)
        else:
            assert recipient is not None
            number = (await self._people.ensure([recipient]))[recipient].number
        now_ms = self._clock.now_ms()
        entry = Suppression(
            id=_id(number, channel, digest),
            recipient=number,
            channel=channel,
            digest=digest,
            reason=reason,
            source=by.name,
            at_ms=now_ms,
            hint=hint,
        )
        await self._optouts.note_suppression(entry, recipient, now_ms)
        await self._suppressions.add([entry])
        await self._notes.add(by, "suppression.add", f"suppression/{entry.id}")
        return entry, recipient

    async def remove(self, by: Principal, id: str) -> None:
        """Take an entry off the list; raises `NotFound`."""
        if not await self._suppressions.remove(id):
            raise NotFound("there is no such suppression")
        now_ms = self._clock.now_ms()
        gone = Suppression(
            id=id, recipient=None, channel=None, digest=None, reason="", source="", at_ms=now_ms
        )
        await self._optouts.note_suppression(gone, None, now_ms, removed=True)
        await self._notes.add(by, "suppression.remove", f"suppression/{id}")

    async def page(self, after: str | None, limit: int) -> Sequence[tuple[Suppression, str | None]]:
        """Return entries ordered by id, each with its recipient's id if it is about one."""
        entries = await self._suppressions.page(after, limit)
        numbers = [entry.recipient for entry in entries if entry.recipient is not None]
        people = await self._people.by_numbers(numbers)
        names = {number: one.id for number, one in people.items()}
        return [(e, names.get(e.recipient) if e.recipient else None) for e in entries]

    def _address(
        self, channel: str | None, provider: str | None, address: str
    ) -> tuple[bytes, str]:
        if channel is None:
            problem = FieldProblem("/channel", "required", "is required beside an address")
            raise RequestRefused("a field is missing, see errors", errors=(problem,))
        normal = address_field(channel, provider, address)
        return self._people.book.digest(channel, normal), mask(channel, normal)


def _check_channel(channel: str | None) -> None:
    if channel is not None and channel not in CHANNELS:
        problem = FieldProblem("/channel", "not_allowed", f"must be one of {', '.join(CHANNELS)}")
        raise RequestRefused("a field is wrong, see errors", errors=(problem,))


def _id(number: int | None, channel: str | None, digest: bytes | None) -> str:
    """The same for the same place, so that adding twice is adding once."""
    text = f"{number or 0}/{channel or ''}/".encode() + (digest or b"")
    return "sup_" + hashlib.blake2b(text, digest_size=16).hexdigest()
