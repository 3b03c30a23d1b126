"""Making changes of inbox states durable, many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tocsin.domain.records import StateChange
from tocsin.domain.topics import STATES
from tocsin.ports.log import Follow, Log, Output, Step
from tocsin.ports.views import InboxView


class ChangeWriter:
    """
    Appends changes in the order of the calls.

    While one commit is under way the next gathers, so that acknowledgements of many people cost
    one transaction and not one each.
    """

    def __init__(self, log: Log, view: InboxView, follow: Follow | None) -> None:
        """*follow* writes the views in the same transaction; None where they are apart."""
        self._log = log
        self._view = view
        self._follow = follow
        self._gathering: tuple[list[StateChange], asyncio.Future[None]] | None = None
        self._task: asyncio.Task[None] | None = None

    async def write(self, change: StateChange) -> None:
        """
        Return when *change* is durable and the view shows it, so that its maker reads it back.

        A caller that is cancelled does not undo it.
        """
        loop = asyncio.get_running_loop()
        if self._gathering is None:
            self._gathering = ([], loop.create_future())
        changes, done = self._gathering
        changes.append(change)
        if self._task is None:
            self._task = loop.create_task(self._run())
        await asyncio.shield(done)

    async def _run(self) -> None:
        while self._gathering is not None:
            (changes, done), self._gathering = self._gathering, None
            try:
                await self._commit(changes)
            except Exception as error:  # noqa: BLE001  # told to everyone who waits for it
                done.set_exception(error)
                # Perhaps nobody waits any more.
                done.exception()
            else:
                done.set_result(None)
        self._task = None

    async def _commit(self, changes: Sequence[StateChange]) -> None:
        gathered: dict[int, list[StateChange]] = {}
        for change in changes:
            partition = self._log.partition_of(STATES, change.recipient)
            gathered.setdefault(partition, []).append(change)
        outputs = [Output(STATES, partition, some) for partition, some in gathered.items()]
        if self._follow is not None:
            await self._log.commit(Step((), outputs), self._follow)
            return
        batches = await self._log.append(outputs)
        await self._view.reached({(each.topic, each.partition): each.end for each in batches})
