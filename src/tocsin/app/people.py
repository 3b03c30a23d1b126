"""Recipients: their profiles, addresses, preferences and consents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from tocsin.app.addresses import AddressBook
from tocsin.app.callers import Principal
from tocsin.app.optouts import OptOuts
from tocsin.app.profile import (
    AddressInput,
    ProfileInput,
    check_id,
    cleared,
    new_recipient,
    with_address,
    with_profile,
    without_address,
)
from tocsin.app.trail import Notes
from tocsin.app.versions import at_last, put_unless_late
from tocsin.domain.endpoints import enabled
from tocsin.domain.preferences import Consent, Preferences
from tocsin.domain.preferences_read import merge_preferences, read_preferences
from tocsin.domain.recipient import Address, Recipient
from tocsin.errors import Conflict, NotFound
from tocsin.ports.state import Erasures, Recipients
from tocsin.ports.system import Clock

CONSENTS_MAX: Final = 1_000

Edit = Callable[[Recipient], Recipient]


class People:
    """
    Every change is one new version: loaded, made by a pure function, stored if nobody was first.

    An opt-out is in the journal before the store has it, so that there is no moment at which a
    restored backup could have lost it.
    """

    def __init__(
        self,
        recipients: Recipients,
        erasures: Erasures,
        optouts: OptOuts,
        notes: Notes,
        book: AddressBook,
        clock: Clock,
    ) -> None:
        self._recipients = recipients
        self._erasures = erasures
        self._optouts = optouts
        self._notes = notes
        self.book = book
        self._clock = clock

    async def get(self, id: str) -> Recipient:
        """Return a recipient; raises `NotFound`, also for one who was erased."""
        found = (await self._recipients.by_id([id])).get(id)
        if found is None or found.erased:
            raise NotFound("there is no such recipient")
        return found

    async def page(self, after: str | None, limit: int) -> Sequence[Recipient]:
        """Return recipients ordered by id, after *after*."""
        return await self._recipients.page(after, limit)

    async def beginning_with(
        self, prefix: str, after: str | None, limit: int
    ) -> Sequence[Recipient]:
        """Return recipients whose id begins with *prefix*, ordered by id, after *after*."""
        # Ordered by id, all of them come right behind *prefix* itself.
        behind = await self._recipients.page(after or prefix, limit)
        itself = {} if after else await self._recipients.by_id([prefix])
        found = [*itself.values(), *(one for one in behind if one.id.startswith(prefix))]
        return found[:limit]

    async def known(self, ids: Iterable[str]) -> Mapping[str, Recipient]:
        """Return those of *ids* who exist."""
        return await self._recipients.by_id(list(dict.fromkeys(ids)))

    async def by_numbers(self, numbers: Sequence[int]) -> Mapping[int, Recipient]:
        """Return those of *numbers* who exist and are not erased."""
        found = await self._recipients.by_number(numbers)
        return {number: one for number, one in found.items() if not one.erased}

    async def ensure(self, ids: Iterable[str]) -> Mapping[str, Recipient]:
        """Return all of *ids*; those who are unknown are created empty."""
        wanted = [check_id(id) for id in dict.fromkeys(ids)]

        async def attempt() -> Mapping[str, Recipient] | None:
            found = dict(await self._recipients.by_id(wanted))
            missing = [self._next(new_recipient(id)) for id in wanted if id not in found]
            if not missing:
                return found
            made = await put_unless_late(self._recipients, missing)
            if made is None:
                return None
            await self._recipients.durable()
            return found | {one.id: one for one in made}

        return await at_last(attempt)

    async def replace(
        self, by: Principal, id: str, profile: ProfileInput
    ) -> tuple[Recipient, bool]:
        """Create, or replace the profile; returns whether it was created."""
        change = cleared(profile)
        check_id(id)
        before, after = await self._change(
            id, lambda r: with_profile(r, change, self.book), new=True
        )
        await self._note(by, "put", after)
        return after, before is None

    async def amend(self, by: Principal, id: str, profile: ProfileInput) -> Recipient:
        """Change the fields that *profile* holds."""
        _, after = await self._change(id, lambda r: with_profile(r, profile, self.book))
        await self._note(by, "patch", after)
        return after

    async def add_address(
        self, by: Principal, id: str, given: AddressInput, fresh_secret: str | None = None
    ) -> tuple[Recipient, Address]:
        """
        Add an address; the same one again replaces what is said of it.

        *fresh_secret* is for a webhook that would have none.
        """
        now_ms = self._clock.now_ms()
        _, after = await self._change(
            id, lambda r: with_address(r, given, self.book, fresh_secret, now_ms)[0]
        )
        made = _made(after, given, self.book)
        await self._note(by, "address.put", after, f"{made.channel} {made.number}")
        return after, made

    async def remove_address(
        self, by: Principal, id: str, number: int, *, channel: str | None = None
    ) -> None:
        """Remove one; raises `NotFound` when there is none, or it is not of *channel*."""

        def edit(before: Recipient) -> Recipient:
            there = any(
                a.number == number and channel in (None, a.channel) for a in before.addresses
            )
            after = without_address(before, number) if there else None
            if after is None:
                raise NotFound("there is no such address")
            return after

        _, after = await self._change(id, edit)
        await self._note(by, "address.delete", after, str(number))

    async def enable_address(self, by: Principal, id: str, number: int) -> Address:
        """Let an endpoint be called again that was disabled; raises `NotFound`."""
        found: list[Address] = []

        def edit(before: Recipient) -> Recipient:
            found[:] = [enabled(each) for each in before.addresses if each.number == number]
            if not found:
                raise NotFound("there is no such address")
            kept = tuple(found[0] if a.number == number else a for a in before.addresses)
            return replace(before, addresses=kept)

        _, after = await self._change(id, edit)
        await self._note(by, "address.enable", after, str(number))
        return found[0]

    async def set_preferences(self, by: Principal, id: str, document: object) -> Recipient:
        """Replace what the person has chosen."""
        preferences = read_preferences(document)
        return await self._choose(by, id, lambda _: preferences)

    async def amend_preferences(self, by: Principal, id: str, document: object) -> Recipient:
        """Lay a partial document over what the person has chosen (RFC 7396)."""
        return await self._choose(by, id, lambda before: merge_preferences(before, document))

    async def add_consent(self, by: Principal, id: str, consent: Consent) -> Recipient:
        """Append to the list of consents; its time is now."""

        def edit(before: Recipient) -> Recipient:
            if len(before.consents) >= CONSENTS_MAX:
                raise Conflict(f"a recipient has at most {CONSENTS_MAX} consents", code="too_many")
            return replace(
                before, consents=(*before.consents, replace(consent, at_ms=self._clock.now_ms()))
            )

        _, after = await self._change(id, edit)
        await self._note(by, "consent", after, "given" if consent.given else "withdrawn")
        return after

    async def _choose(
        self, by: Principal, id: str, choose: Callable[[Preferences | None], Preferences]
    ) -> Recipient:
        _, after = await self._change(
            id, lambda before: replace(before, preferences=choose(before.preferences))
        )
        await self._note(by, "preferences", after)
        return after

    async def _change(
        self, id: str, edit: Edit, *, new: bool = False
    ) -> tuple[Recipient | None, Recipient]:
        async def attempt() -> tuple[Recipient | None, Recipient] | None:
            before = (await self._recipients.by_id([id])).get(id)
            if new and before is not None and before.erased:
                await self._check_forgotten(before)
                before = None
            _check_may_change(before, new=new)
            after = self._next(edit(before or new_recipient(id)))
            await self._optouts.note([(before, after)])
            stored = await put_unless_late(self._recipients, [after])
            if stored is None:
                return None
            await self._recipients.durable()
            return before, stored[0]

        return await at_last(attempt)

    async def _check_forgotten(self, before: Recipient) -> None:
        """Who was erased may come back, as somebody new, when nothing is left of before."""
        if any(one.recipient == before.number for one in await self._erasures.running()):
            raise Conflict("this recipient is being erased; try again later", code="erased")

    def _next(self, after: Recipient) -> Recipient:
        return replace(after, version=after.version + 1, changed_ms=self._clock.now_ms())

    async def _note(self, by: Principal, what: str, one: Recipient, detail: str = "") -> None:
        await self._notes.add(by, f"recipient.{what}", f"recipient/{one.number}", detail)


def _made(after: Recipient, given: AddressInput, book: AddressBook) -> Address:
    # The edit ran on the version that was stored, so the address is found by doing it again.
    return with_address(after, given, book)[1]


def _check_may_change(before: Recipient | None, *, new: bool) -> None:
    if not new and (before is None or before.erased):
        raise NotFound("there is no such recipient")
