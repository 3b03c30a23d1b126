"""The replay: a dead letter becomes an input record, and only then is its row retired."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from tocsin.app.dead_letters.finding import GONE, Origins, run_of
from tocsin.app.history.finding import Finder
from tocsin.domain.dead_letters import (
    DeadLetter,
    Kind,
    LetterState,
    Wanted,
    input_place,
    replay_key,
)
from tocsin.domain.ids import address_of, generation_of, step_of
from tocsin.domain.records import Event, Record, Release
from tocsin.errors import Unavailable
from tocsin.ports.log import Log, Output
from tocsin.ports.state import DeadLetters
from tocsin.ports.system import Clock

_SLICE: Final = 200
_LOOK_S: Final = 1.0
_AGAIN_MS: Final = 200
_AHEAD: Final = 500
_NAMELESS: Final = "-"
"""In the place of a workflow whose event is not kept any more."""

logger = structlog.get_logger(__name__)


class ReplayStep:
    """
    Appends what somebody asked to replay, oldest first, slice by slice.

    A crash between the record and the row's retirement appends it again. A delivery's record has
    the same key then, and route knows the first by that; an input is looked for on the log before
    it is appended, from where that ended when it was asked for.
    """

    def __init__(self, log: Log, rows: DeadLetters, finder: Finder, clock: Clock) -> None:
        self._log = log
        self._rows = rows
        self._finder = finder
        self._clock = clock
        self._asked = asyncio.Event()
        self._working = True

    def stir(self) -> None:
        """Look now."""
        self._asked.set()

    def busy(self) -> bool:
        """Return whether something was asked for that is not on the log yet."""
        return self._working or self._asked.is_set()

    async def run(self) -> None:
        """Replay until cancelled, and name what was noted without its workflow."""
        while True:
            try:
                self._asked.clear()
                if not (await self.replay() or await self.name()):
                    await self._stirred()
            except Unavailable as error:
                logger.warning("replays_wait", code=error.code)
                await self._clock.pause(_AGAIN_MS)

    async def replay(self) -> int:
        """Replay one slice; returns how many letters it held."""
        wanted = Wanted(state=LetterState.REPLAYING)
        found = await self._rows.first(wanted, 0, _SLICE)
        origins = Origins(self._finder)
        outputs: list[Output] = []
        gone: list[DeadLetter] = []
        for letter in found:
            make = self._again if letter.kind is Kind.DELIVERY else self._input
            output = await make(letter, origins)
            if output is None:
                gone.append(letter)
            elif output.records:
                outputs.append(output)
        if outputs:
            await self._log.append(outputs)
        await self._retire([each for each in found if each not in gone], LetterState.REPLAYED)
        await self._retire(gone, LetterState.DISCARDED, GONE)
        return len(found)

    async def name(self) -> int:
        """Find the workflows of what a receipt said; returns how many were named."""
        found = await self._rows.unnamed(_SLICE)
        origins = Origins(self._finder)
        names: dict[int, str] = {}
        for letter in found:
            event = await origins.event(letter)
            run = None if event is None else run_of(letter, event)
            names[letter.number] = _NAMELESS if run is None else run[0]
        if names:
            await self._rows.name(names)
        return len(names)

    async def _again(self, letter: DeadLetter, origins: Origins) -> Output | None:
        """Return the record that has a delivery decided anew; None: its event is gone."""
        found = await origins.event(letter)
        run = None if found is None else run_of(letter, found)
        if found is None or run is None:
            return None
        planned = await origins.planned(letter)
        generation = generation_of(letter.key) + 1
        record = Release(
            key=replay_key(letter.key, generation),
            due_ms=self._clock.now_ms(),
            event_lane=found.lane,
            event_partition=found.partition,
            event_position=found.position,
            workflow_index=run[2],
            recipient=letter.recipient,
            step=step_of(letter.key),
            address=address_of(letter.key),
            trace=found.event.trace,
            profile_version=planned.profile_version if planned is not None else 0,
            replay_of=letter.key,
            generation=generation,
        )
        return Output(f"events.{found.lane}", found.partition, [record])

    async def _input(self, letter: DeadLetter, _: Origins) -> Output | None:
        """Return an input as it was, without records where it was appended before."""
        place = input_place(letter.key)
        record = (await self._log.pick([place])).get(place)
        if not isinstance(record, Event):
            return None
        topic, partition, _position = place
        there = await self._appended(topic, partition, letter.mark, record.key)
        again: Sequence[Record] = () if there else (record,)
        return Output(topic, partition, again)

    async def _appended(self, topic: str, partition: int, mark: int, key: bytes) -> bool:
        position, end = mark, self._log.end(topic, partition)
        while position < end:
            batch = await self._log.read(topic, partition, position, records_max=_AHEAD)
            if any(isinstance(each, Event) and each.key == key for each in batch.records):
                return True
            position = max(batch.end, position + 1)
        return False

    async def _retire(
        self, found: Sequence[DeadLetter], after: LetterState, why: str | None = None
    ) -> None:
        if found:
            await self._rows.move(
                {each.number: each.mark for each in found},
                LetterState.REPLAYING,
                after,
                why=why,
                now_ms=self._clock.now_ms(),
            )

    async def _stirred(self) -> None:
        self._working = False
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._asked.wait()
        except TimeoutError:
            return
        finally:
            self._working = True
