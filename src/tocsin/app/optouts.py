"""
Opt-outs, kept a second time outside the database.

A backup that is restored knows nothing of who left after it was made. The journal does: it is
written before an opt-out is answered and laid over the store at start. What the store already
holds, because it was changed at that time or later, is left alone. Undoing an opt-out is not
journalled for preferences: after a restore silence is the mistake that can be mended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from tocsin.app.renewing import renewed
from tocsin.domain.erasure import ERASED
from tocsin.domain.preferences import Choice, Consent, Preferences
from tocsin.domain.recipient import Recipient
from tocsin.ports.cache import OptOutJournal, Sealer
from tocsin.ports.state import Lifted, Recipients, Suppression, Suppressions

_PLACE: Final = "opt-out"


class Left(msgspec.Struct, frozen=True, array_like=True, tag="left"):
    """Preferences of one recipient after something was switched off; ``id`` is sealed."""

    id: bytes
    at_ms: int
    preferences: Preferences


class Withdrawn(msgspec.Struct, frozen=True, array_like=True, tag="withdrawn"):
    """A consent that was withdrawn."""

    id: bytes
    at_ms: int
    consent: Consent


class Blocked(msgspec.Struct, frozen=True, array_like=True, tag="blocked"):
    """An entry of the suppression list that was added or, with ``removed``, taken off."""

    id: bytes | None
    at_ms: int
    entry: Suppression
    removed: bool = False


class LiftedAt(msgspec.Struct, frozen=True, array_like=True, tag="lifted"):
    """That somebody's own word has taken an entry off the list, or would have."""

    lifted: Lifted
    id: None = None


class Erased(msgspec.Struct, frozen=True, array_like=True, tag="erased"):
    """A recipient who was erased, by the keyed hash of her id: a restored backup has her still."""

    id: bytes
    """The erasure's."""
    digest: bytes
    number: int
    at_ms: int


Entry = Left | Withdrawn | Blocked | Erased | LiftedAt

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


class OptOuts:
    """
    Writes the journal, and lays it over a store that may be older.

    Fills `tocsin.ports.sealing.Reseals`.
    """

    name = "opt-outs"

    def __init__(self, journal: OptOutJournal, sealer: Sealer) -> None:
        self._journal = journal
        self._sealer = sealer

    async def note(self, changes: Iterable[tuple[Recipient | None, Recipient]]) -> None:
        """Write what the second of each pair has switched off and the first had not."""
        entries: list[Entry] = []
        for before, after in changes:
            entries.extend(self._entries(before, after))
        await self._add(entries)

    async def note_suppression(
        self, entry: Suppression, recipient_id: str | None, at_ms: int, *, removed: bool = False
    ) -> None:
        """Write that *entry* was added or taken off the list."""
        id = None if recipient_id is None else self._seal(recipient_id)
        await self._add([Blocked(id, at_ms, entry, removed)])

    async def note_suppressions(self, entries: Sequence[Suppression], at_ms: int) -> None:
        """Write that entries about addresses were added."""
        await self._add([Blocked(None, at_ms, entry) for entry in entries])

    async def note_lifted(self, lifted: Sequence[Lifted]) -> None:
        """Write when somebody's own word took those entries off, whether they were there or not."""
        await self._add([LiftedAt(each) for each in lifted])

    async def note_erasure(self, entry: Erased) -> None:
        """Write that somebody was erased."""
        await self._add([entry])

    async def erased(self) -> Sequence[Erased]:
        """Return everybody who was erased."""
        found: list[Erased] = []

        async def take(raw: Sequence[bytes]) -> None:
            entries = [_decoder.decode(entry) for entry in raw]
            found.extend(entry for entry in entries if isinstance(entry, Erased))

        await self._journal.replay(take)
        return found

    async def forget(self, id: str) -> int:
        """Leave out what is about *id*, but for her erasure; returns how many entries went."""

        def kept(raw: bytes) -> bytes | None:
            entry = _decoder.decode(raw)
            if isinstance(entry, Erased) or entry.id is None:
                return raw
            return None if self._sealer.open(entry.id, place=_PLACE) == id else raw

        return await self._journal.rewrite(kept)

    async def reseal(self) -> AsyncIterator[int]:
        """Seal the ids anew that lie under an older key, in one new file."""
        yield await self._journal.rewrite(self._renewed)

    def _renewed(self, raw: bytes) -> bytes:
        entry = _decoder.decode(raw)
        if isinstance(entry, Erased | LiftedAt) or entry.id is None:
            return raw
        sealed = renewed(self._sealer, entry.id, _PLACE)
        return raw if sealed is entry.id else _encoder.encode(replace(entry, id=sealed))

    async def restore(self, recipients: Recipients, suppressions: Suppressions) -> int:
        """Lay the journal over the store; returns how many entries the store did not hold."""
        changed = 0
        last: dict[str, Blocked] = {}
        lifted: dict[str, Lifted] = {}
        gone = {entry.digest: entry.at_ms for entry in await self.erased()}

        async def apply(raw: Sequence[bytes]) -> None:
            nonlocal changed
            entries = [_decoder.decode(entry) for entry in raw]
            last.update((e.entry.id, e) for e in entries if isinstance(e, Blocked))
            for said in (e.lifted for e in entries if isinstance(e, LiftedAt)):
                if said.id not in lifted or lifted[said.id].at_ms <= said.at_ms:
                    lifted[said.id] = said
            people = [e for e in entries if isinstance(e, Left | Withdrawn)]
            changed += await self._restore_people(recipients, people, gone)

        await self._journal.replay(apply)
        changed += await _restore_lifted(suppressions, list(lifted.values()))
        return changed + await self._restore_blocks(recipients, suppressions, last)

    def _entries(self, before: Recipient | None, after: Recipient) -> list[Entry]:
        entries: list[Entry] = []
        old = _switched_off(before.preferences if before else None)
        if after.preferences is not None and _switched_off(after.preferences) - old:
            entries.append(Left(self._seal(after.id), after.changed_ms, after.preferences))
        known = len(before.consents) if before else 0
        entries.extend(
            Withdrawn(self._seal(after.id), consent.at_ms, consent)
            for consent in after.consents[known:]
            if not consent.given
        )
        return entries

    async def _add(self, entries: Sequence[Entry]) -> None:
        if entries:
            await self._journal.add([_encoder.encode(entry) for entry in entries])

    def _seal(self, id: str) -> bytes:
        return self._sealer.seal(id, place=_PLACE)

    async def _restore_people(
        self,
        recipients: Recipients,
        entries: Sequence[Left | Withdrawn],
        gone: Mapping[bytes, int],
    ) -> int:
        opened = [(self._sealer.open(entry.id, place=_PLACE), entry) for entry in entries]
        named = [
            (id, entry)
            for id, entry in opened
            if gone.get(self._sealer.digest(id, place=ERASED), -1) < entry.at_ms
        ]
        known = await recipients.by_id(list({id for id, _ in named}))
        changed: dict[str, Recipient] = {}
        count = 0
        for id, entry in named:
            stored = known.get(id)
            if stored is not None and (stored.erased or stored.changed_ms >= entry.at_ms):
                continue
            # Someone whom the backup does not know yet may be told of again any moment, so she
            # is created with nothing but her refusal.
            base = changed.get(id) or stored or Recipient(number=0, id=id, version=0)
            changed[id] = _applied(base, entry)
            count += 1
        await recipients.put([replace(r, version=r.version + 1) for r in changed.values()])
        return count

    async def _restore_blocks(
        self, recipients: Recipients, suppressions: Suppressions, last: Mapping[str, Blocked]
    ) -> int:
        missing = 0
        for id, blocked in last.items():
            entry = blocked.entry
            if blocked.removed:
                continue
            if blocked.id is not None:
                name = self._sealer.open(blocked.id, place=_PLACE)
                number = await _number_of(recipients, name, blocked.at_ms)
                entry = replace(entry, recipient=number)
            numbers = [] if entry.recipient is None else [entry.recipient]
            digests = [] if entry.digest is None else [entry.digest]
            there = {known.id for known in await suppressions.matching(numbers, digests)}
            if id not in there:
                await suppressions.add([entry])
                missing += 1
        return missing


async def _restore_lifted(suppressions: Suppressions, lifted: Sequence[Lifted]) -> int:
    """
    Lift again what the store does not know to be lifted; returns how many those are.

    What was put on the list once more after that is put back behind this.
    """
    known = await suppressions.lifted([each.id for each in lifted])
    newer = [each for each in lifted if each.id not in known or known[each.id].at_ms < each.at_ms]
    await suppressions.lift(newer)
    return len(newer)


async def _number_of(recipients: Recipients, id: str, at_ms: int) -> int:
    known = await recipients.by_id([id])
    if id in known:
        return known[id].number
    new = Recipient(number=0, id=id, version=1, changed_ms=at_ms)
    return (await recipients.put([new]))[0].number


def _applied(base: Recipient, entry: Left | Withdrawn) -> Recipient:
    if isinstance(entry, Withdrawn):
        consents = (*base.consents, entry.consent)
        return replace(base, consents=consents, changed_ms=entry.at_ms)
    before = base.preferences or Preferences()
    return replace(base, preferences=_laid_over(before, entry.preferences), changed_ms=entry.at_ms)


def _laid_over(before: Preferences, left: Preferences) -> Preferences:
    return replace(
        before,
        channels=before.channels | _off(left.channels),
        categories=_choices_over(before.categories, left.categories),
        workflows=_choices_over(before.workflows, left.workflows),
        tracking=False if left.tracking is False else before.tracking,
    )


def _choices_over(before: Mapping[str, Choice], left: Mapping[str, Choice]) -> dict[str, Choice]:
    after = dict(before)
    for key, choice in left.items():
        off = _off(choice.channels)
        if choice.on is not False and not off:
            continue
        old = after.get(key, Choice())
        on = False if choice.on is False else old.on
        after[key] = Choice(on=on, channels=old.channels | off)
    return after


def _off(channels: Mapping[str, bool]) -> dict[str, bool]:
    return {channel: False for channel, on in channels.items() if not on}


def _switched_off(preferences: Preferences | None) -> set[tuple[str, str, str]]:
    """The places where a person said no: (level, key, channel)."""
    if preferences is None:
        return set()
    places = {("channel", "", channel) for channel in _off(preferences.channels)}
    if preferences.tracking is False:
        places.add(("tracking", "", ""))
    levels = (("category", preferences.categories), ("workflow", preferences.workflows))
    for level, choices in levels:
        for key, choice in choices.items():
            if choice.on is False:
                places.add((level, key, ""))
            places.update((level, key, channel) for channel in _off(choice.channels))
    return places
