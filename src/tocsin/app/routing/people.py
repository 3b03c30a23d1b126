"""The recipients of a batch: found, created, and changed by what the calls carry along."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from pyroaring import BitMap

from tocsin.app.addresses import AddressBook
from tocsin.app.routing.audiences import Resolved
from tocsin.app.routing.inline import apply_inline
from tocsin.app.routing.inputs import Input, Run
from tocsin.app.routing.last_known import PREFERENCES, LastKnown
from tocsin.domain.audience import RecipientTerm
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event
from tocsin.errors import Conflict
from tocsin.ports.state import Recipients

_decoder = msgspec.json.Decoder()
_PUT_TRIES = 5


class PeopleStep:
    """Fills in the recipients of runs."""

    def __init__(self, recipients: Recipients, known: LastKnown, book: AddressBook) -> None:
        self._recipients = recipients
        self._known = known
        self._book = book

    async def load(
        self, pairs: Sequence[tuple[Input, Run, Resolved]], now_ms: int, lane: str
    ) -> tuple[str, ...]:
        """
        Give each run its recipients, in three bulk calls at most.

        What events say of people is stored as they follow one another; the batch is decided afterwards.
        Returns what could not be read, so that the last known counts.
        """
        terms = [term for _, _, resolved in pairs for term in resolved.named]
        wanted = {term.id for term in terms}
        profiles, last_known = await self._known.by_id(list(wanted), lane)
        if len(profiles) < len(wanted) or any(term.changes_profile for term in terms):
            profiles = {**profiles, **await self._write(pairs, profiles, now_ms)}
            self._known.note(profiles.values(), lane)
        numbers = [n for _, _, resolved in pairs if resolved.numbers for n in resolved.numbers]
        by_number: Mapping[int, Recipient] = {}
        if numbers:
            by_number, also = await self._known.by_number(numbers, lane)
            last_known = last_known or also
        for _, run, resolved in pairs:
            if len(resolved.named) == 1 and not resolved.numbers:
                _fill_one(run, resolved.named[0], profiles)
            else:
                _fill(run, resolved, profiles, by_number)
        return (PREFERENCES,) if last_known else ()

    async def numbers(self, ids: Collection[str]) -> BitMap:
        """Return the numbers of those of *ids* who exist."""
        return BitMap(one.number for one in (await self._recipients.by_id(list(ids))).values())

    async def _write(
        self,
        pairs: Sequence[tuple[Input, Run, Resolved]],
        profiles: Mapping[str, Recipient],
        now_ms: int,
    ) -> Mapping[str, Recipient]:
        for _ in range(_PUT_TRIES):
            changed = self._changes(pairs, profiles, now_ms)
            try:
                stored = await self._recipients.put(list(changed.values()))
            except Conflict:
                # Another lane, or someone by API, was first: look again and apply anew.
                profiles = {**profiles, **await self._recipients.by_id(list(changed))}
                continue
            return {**profiles, **{one.id: one for one in stored}}
        raise Conflict("a recipient keeps changing while its event is routed")

    def _changes(
        self,
        pairs: Sequence[tuple[Input, Run, Resolved]],
        profiles: Mapping[str, Recipient],
        now_ms: int,
    ) -> dict[str, Recipient]:
        changed: dict[str, Recipient] = {}
        for entry, _, resolved in pairs:
            event = entry.event
            assert event is not None
            for term in resolved.named:
                before = changed.get(term.id) or profiles.get(term.id)
                if before is None and event.strict_recipients and not term.changes_profile:
                    continue
                after = self._after(before, profiles.get(term.id), term, event, now_ms)
                if after is not None:
                    changed[term.id] = after
        return changed

    def _after(
        self,
        before: Recipient | None,
        stored: Recipient | None,
        term: RecipientTerm,
        event: Event,
        now_ms: int,
    ) -> Recipient | None:
        """Return the version to write, or None when *before* stands as it is."""
        if before is None:
            before = Recipient(0, term.id, version=0, changed_ms=now_ms)
        elif not term.changes_profile or before.erased:
            return None
        after: Recipient | None = before
        if term.changes_profile:
            after = apply_inline(before, term, event, self._book)
        if after is None:
            return None
        # Several events of one batch make one new version: the last of them is what counts.
        version = stored.version + 1 if stored is not None else 1
        return msgspec.structs.replace(after, version=version, changed_ms=now_ms)


def _fill_one(run: Run, term: RecipientTerm, profiles: Mapping[str, Recipient]) -> None:
    run.recipients.append((term.id, profiles.get(term.id)))
    if term.data is not None:
        run.own_data[term.id] = _decoder.decode(term.data)


def _fill(
    run: Run,
    resolved: Resolved,
    profiles: Mapping[str, Recipient],
    by_number: Mapping[int, Recipient],
) -> None:
    seen: set[str] = set()
    for term in resolved.named:
        if term.id in seen:
            continue
        seen.add(term.id)
        run.recipients.append((term.id, profiles.get(term.id)))
        if term.data is not None:
            run.own_data[term.id] = _decoder.decode(term.data)
    for profile in _in_order(resolved.numbers, by_number):
        if profile.id not in seen:
            run.recipients.append((profile.id, profile))


def _in_order(numbers: Iterable[int], by_number: Mapping[int, Recipient]) -> list[Recipient]:
    return [by_number[number] for number in numbers if number in by_number]
