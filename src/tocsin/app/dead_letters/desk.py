"""What operators do with dead letters: list, replay, discard. Showing one is `showing`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from tocsin.app.callers import Principal
from tocsin.app.trail import Notes
from tocsin.domain.dead_letters import DeadLetter, Kind, LetterState, Wanted, input_place
from tocsin.domain.ids import GENERATIONS_MAX, generation_of, next_generation
from tocsin.domain.records import Event
from tocsin.errors import Conflict, Forbidden, NotFound
from tocsin.ports.log import Log
from tocsin.ports.state import DeadLetters, Recipients
from tocsin.ports.system import Clock

AT_ONCE_MAX: Final = 1_000
"""Letters that one call moves; whoever wants more calls again."""


class Named(NamedTuple):
    """A letter with its recipient's id, "" where nobody has the number any more."""

    letter: DeadLetter
    recipient: str


class Moved(NamedTuple):
    """How many a call moved, and whether others that fit are left."""

    letters: int
    more: bool


class DeadLetterDesk:
    """Lists letters and moves them: each row at most once."""

    def __init__(
        self,
        rows: DeadLetters,
        log: Log,
        recipients: Recipients,
        notes: Notes,
        clock: Clock,
        stir: Callable[[], None],
    ) -> None:
        self._rows = rows
        self._log = log
        self._recipients = recipients
        self._notes = notes
        self._clock = clock
        self._stir = stir

    async def page(self, wanted: Wanted, before: int | None, limit: int) -> Sequence[Named]:
        """Return what is *wanted*, newest first."""
        return await self._named(await self._rows.page(wanted, before, limit))

    async def get(self, key: bytes) -> Named:
        """Return one; raises `NotFound`."""
        found = await self._named(await self._rows.get([key]))
        if not found:
            raise NotFound("there is no such dead letter")
        return found[0]

    async def replay(self, by: Principal, key: bytes) -> bytes | None:
        """
        Make one anew; returns the new delivery's key, None for an input.

        Raises `NotFound`, and `Conflict` for one that does not wait or cannot be made anew.
        """
        letter = (await self.get(key)).letter
        _check_limits(by, letter)
        if letter.kind is Kind.INPUT and not await self._readable(letter):
            raise Conflict("this record cannot be read, so it cannot be replayed; discard it")
        made = next_generation(key) if letter.kind is Kind.DELIVERY else None
        if not await self._move([letter], LetterState.REPLAYING, by, ""):
            raise Conflict(f"this dead letter does not wait any more: it is {letter.state}")
        self._stir()
        await self._notes.add(by, "dead.replay", f"dead/{letter.id}")
        return made

    async def discard(self, by: Principal, key: bytes, why: str) -> None:
        """Put one aside; raises `NotFound`, and `Conflict` for one that does not wait."""
        letter = (await self.get(key)).letter
        _check_limits(by, letter)
        if not await self._move([letter], LetterState.DISCARDED, by, why):
            raise Conflict(f"this dead letter does not wait any more: it is {letter.state}")
        await self._notes.add(by, "dead.discard", f"dead/{letter.id}", why)

    async def replay_many(self, by: Principal, which: Wanted | Sequence[bytes]) -> Moved:
        """Make anew what is wanted or named, oldest first; what cannot be is left where it is."""
        moved = await self._many(by, which, LetterState.REPLAYING, "")
        if moved.letters:
            self._stir()
            await self._notes.add(by, "dead.replay", "dead", f"{moved.letters} {_words(which)}")
        return moved

    async def discard_many(self, by: Principal, which: Wanted | Sequence[bytes], why: str) -> Moved:
        """Put aside what is wanted or named, oldest first."""
        moved = await self._many(by, which, LetterState.DISCARDED, why)
        if moved.letters:
            said = f"{moved.letters} {_words(which)}: {why}"
            await self._notes.add(by, "dead.discard", "dead", said)
        return moved

    async def _many(
        self, by: Principal, which: Wanted | Sequence[bytes], after: LetterState, why: str
    ) -> Moved:
        if not isinstance(which, Wanted):
            found = await self._rows.get(which)
            for letter in found:
                _check_limits(by, letter)
            return Moved(await self._movable(found, after, by, why), more=False)
        _check_wanted(by, which)
        count, edge = 0, 0
        while True:
            found = await self._rows.first(which, edge, AT_ONCE_MAX)
            count += await self._movable(found, after, by, why)
            if count or len(found) < AT_ONCE_MAX:
                break
            # A whole slice of what cannot be replayed: others may lie behind it.
            edge = found[-1].number
        return Moved(count, more=len(found) == AT_ONCE_MAX)

    async def _movable(
        self, found: Sequence[DeadLetter], after: LetterState, by: Principal, why: str
    ) -> int:
        if after is LetterState.REPLAYING:
            found = [each for each in found if await self._can_be_replayed(each)]
        return len(await self._move(found, after, by, why))

    async def _can_be_replayed(self, letter: DeadLetter) -> bool:
        if letter.kind is Kind.INPUT:
            return await self._readable(letter)
        return generation_of(letter.key) < GENERATIONS_MAX

    async def _readable(self, letter: DeadLetter) -> bool:
        place = input_place(letter.key)
        return isinstance((await self._log.pick([place])).get(place), Event)

    async def _move(
        self, found: Sequence[DeadLetter], after: LetterState, by: Principal, why: str
    ) -> Sequence[int]:
        if not found:
            return ()
        marks = {each.number: self._mark(each) for each in found}
        return await self._rows.move(
            marks, LetterState.WAITING, after, by=by.name, why=why, now_ms=self._clock.now_ms()
        )

    def _mark(self, letter: DeadLetter) -> int:
        if letter.kind is Kind.DELIVERY:
            return 0
        topic, partition, _ = input_place(letter.key)
        return self._log.end(topic, partition)

    async def _named(self, found: Sequence[DeadLetter]) -> Sequence[Named]:
        people = await self._recipients.by_number(list({each.recipient for each in found} - {0}))
        names = {number: one.id for number, one in people.items()}
        return [Named(each, names.get(each.recipient, "")) for each in found]


def _words(which: Wanted | Sequence[bytes]) -> str:
    if not isinstance(which, Wanted):
        return "by id"
    given = msgspec.structs.asdict(which).items()
    return " ".join(f"{k}={v}" for k, v in given if v is not None and k != "state") or "all"


def _check_limits(by: Principal, letter: DeadLetter) -> None:
    by.limits.check(workflow=letter.workflow, lane=letter.lane)
    _check_unlimited(by)


def _check_wanted(by: Principal, wanted: Wanted) -> None:
    limits = by.limits
    limits.check(workflow=wanted.workflow, lane=wanted.lane)
    if (limits.workflows and wanted.workflow is None) or (limits.lanes and wanted.lane is None):
        raise Forbidden("the key is limited to certain workflows or lanes; name one of them")
    _check_unlimited(by)


def _check_unlimited(by: Principal) -> None:
    if by.limits.categories or by.limits.sources:
        raise Forbidden("a key that is limited to categories or sources moves no dead letters")
