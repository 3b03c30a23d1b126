"""Asking for an erasure, and hearing how far it is."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.app.callers import Principal
from tocsin.app.erasing.gone import Gone
from tocsin.app.erasing.proof import read_erasure, show_erasure, signed
from tocsin.app.optouts import Erased, OptOuts
from tocsin.app.trail import Notes
from tocsin.app.versions import at_last, put_unless_late
from tocsin.domain.erasure import ERASED, alias, erased
from tocsin.domain.recipient import Recipient
from tocsin.errors import NotFound
from tocsin.ports.cache import Prover, Sealer
from tocsin.ports.state import Erasure, Erasures, Recipients
from tocsin.ports.system import Chance, Clock


class ErasureDesk:
    """
    Erases: at once what sends and what shows, the rest by `tocsin.app.erasing.step`.

    The journal comes first, so that no restored backup brings back whom it does not know to be
    gone; then the job, so that a crash leaves nobody half erased.
    """

    def __init__(
        self,
        recipients: Recipients,
        erasures: Erasures,
        optouts: OptOuts,
        sealer: Sealer,
        prover: Prover,
        gone: Gone,
        notes: Notes,
        clock: Clock,
        chance: Chance,
        wake: Callable[[], None],
    ) -> None:
        """*wake* tells the background step that there is something to do."""
        self._recipients = recipients
        self._erasures = erasures
        self._optouts = optouts
        self._sealer = sealer
        self._prover = prover
        self._gone = gone
        self._notes = notes
        self._clock = clock
        self._chance = chance
        self._wake = wake

    async def erase(self, by: Principal, id: str) -> str:
        """
        Erase the recipient *id*; when this returns no call about her begins any more.

        Raises `NotFound` when there is none. Returns the erasure's id.
        """
        one = (await self._recipients.by_id([id])).get(id)
        if one is None or one.erased:
            raise NotFound("there is no such recipient")
        digest = self._sealer.digest(id, place=ERASED)
        entry = Erased(self._chance.bytes(16), digest, one.number, self._clock.now_ms())
        await self._optouts.note_erasure(entry)
        await self._begin(entry, one)
        await self._notes.add(by, "recipient.erase", f"recipient/{one.number}")
        return show_erasure(entry.id)

    async def get(self, text: str) -> Erasure:
        """Return an erasure by its printed id; raises `NotFound`."""
        id = read_erasure(text)
        found = None if id is None else await self._erasures.get(id)
        if found is None:
            raise NotFound("there is no such erasure")
        return found

    async def restore(self) -> int:
        """
        At start: let go whom the journal knows to be erased and the store still has.

        Returns how many a restored backup had brought back.
        """
        self._gone.add(await self._erasures.numbers())
        again = 0
        for entry in await self._optouts.erased():
            if await self._erasures.get(entry.id) is not None:
                continue
            again += 1
            one = (await self._recipients.by_number([entry.number])).get(entry.number)
            if one is not None and self._sealer.digest(one.id, place=ERASED) == entry.digest:
                await self._begin(entry, one)
            else:
                await self._block(entry)
        return again

    async def _begin(self, entry: Erased, one: Recipient) -> None:
        name = f"{alias(entry.digest)}{one.number}"
        sealed = self._sealer.seal(one.id, place=ERASED)
        job = Erasure(entry.id, entry.digest, one.number, entry.at_ms, sealed, name)
        await self._erasures.put(job)
        await let_go(self._recipients, one.number, entry.digest, self._clock.now_ms())
        self._gone.add([one.number])
        self._wake()

    async def _block(self, entry: Erased) -> None:
        """The store is from before she came: her id is blocked by a row that is erased."""
        name = f"{alias(entry.digest)}{entry.number}"
        blank = Recipient(number=0, id=name, changed_ms=entry.at_ms, erased=True)
        stored = await self._recipients.by_id([name])
        if name not in stored:
            stored = {name: (await self._recipients.put([blank]))[0]}
        await self._recipients.durable()
        number = stored[name].number
        done = Erasure(entry.id, entry.digest, number, entry.at_ms, None, name, entry.at_ms)
        await self._erasures.put(signed(done, self._prover, 0))


async def let_go(recipients: Recipients, number: int, digest: bytes, now_ms: int) -> None:
    """Put a version without anything in it in the place of a recipient's, durably."""

    async def attempt() -> bool | None:
        one = (await recipients.by_number([number])).get(number)
        if one is None or one.erased:
            return False
        if await put_unless_late(recipients, [erased(one, digest, now_ms)]) is None:
            return None
        await recipients.durable()
        return True

    await at_last(attempt)
