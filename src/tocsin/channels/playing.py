"""All simulators of a sandbox: asked together, and their receipts carried to the server."""

from __future__ import annotations

import asyncio
import heapq
import http.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from tocsin.domain.ids import NotificationKey, notification_parts, read_delivery
from tocsin.errors import Conflict, NotFound, RequestRefused, Unavailable
from tocsin.ports.receipts import Callback, Response
from tocsin.ports.simulator import Action, Deed, Faults, Received, Simulator, Stage
from tocsin.ports.vendors import Played, Wanted

_TIMEOUT_S: Final = 30.0


class PlayedVendors:
    """
    Fills `tocsin.ports.vendors.Vendors` with simulators of this process.

    Receipts go the way that the vendor's would: over HTTP, signed by the machine's time.
    """

    def __init__(
        self,
        simulators: Mapping[str, Simulator],
        real_ms: Callable[[], int],
        fraction: Callable[[], float],
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        """*now_ms* is the sandbox's time; without it, what `tell_time` says."""
        self._simulators = simulators
        self._real_ms = real_ms
        self._fraction = fraction
        self._now_ms = now_ms
        self._url: str | None = None
        self._offset_ms = 0

    async def start(self, stages: Mapping[str, Stage]) -> dict[str, Mapping[str, object]]:
        """
        Let each simulator play on its stage; return the settings that lead to it.

        Time and chance of the stages are replaced by those of all.
        """
        return {
            name: await simulator.start(
                replace(
                    stages[name],
                    now_ms=self.now_ms,
                    fraction=self._fraction,
                    real_ms=self._real_ms,
                )
            )
            for name, simulator in self._simulators.items()
        }

    def now_ms(self) -> int:
        """Return the sandbox's time."""
        return self._real_ms() + self._offset_ms if self._now_ms is None else self._now_ms()

    async def messages(self, wanted: Wanted) -> Sequence[Received]:
        """Return the newest."""
        asked = [
            each.messages(
                to=wanted.to,
                since_ms=wanted.since_ms,
                limit=wanted.limit,
                about=None if wanted.recipient is None else _about(wanted.recipient),
            )
            for each in self._simulators.values()
            if wanted.channel in (None, each.channel) and wanted.provider in (None, each.provider)
        ]
        merged = heapq.merge(*asked, key=lambda message: message.received_ms, reverse=True)
        return list(islice(merged, wanted.limit))

    async def message(self, id: str) -> Received:
        """Return one."""
        return self.simulator(id.rpartition("-")[0]).message(id)

    async def played(self) -> Sequence[Played]:
        """Return all."""
        return [_face(each) for each in self._simulators.values()]

    async def act(self, id: str, action: Action, words: str = "") -> str:
        """Let the vendor report it."""
        simulator = self.simulator(id.rpartition("-")[0])

        async def tell(callback: Callback) -> Response:
            said = await self._report(callback)
            if self._fraction() < simulator.faults.duplicate_receipts:
                await self._report(callback)
            return said

        return await simulator.act(Deed(id, action, self._real_ms(), words), tell)

    async def faults(self, provider: str) -> Faults:
        """Return what goes wrong."""
        return self.simulator(provider).faults

    async def set_faults(self, provider: str, faults: Faults) -> Faults:
        """Let this go wrong."""
        await self.simulator(provider).set_faults(faults)
        return faults

    async def report_to(self, url: str) -> None:
        """Note where receipts go."""
        self._url = url

    async def tell_time(self, offset_ms: int) -> None:
        """Note how far the time is ahead."""
        self._offset_ms = offset_ms

    def simulator(self, provider: str) -> Simulator:
        """Return one; raises `NotFound`."""
        found = self._simulators.get(provider)
        if found is None:
            known = ", ".join(self._simulators) or "none"
            raise NotFound(f"there is no such vendor in this sandbox; there are: {known}")
        return found

    async def _report(self, callback: Callback) -> Response:
        if self._url is None:
            raise Unavailable("no server has said yet where receipts go")
        said = await asyncio.to_thread(_post, self._url, callback)
        if said.status >= http.client.BAD_REQUEST:
            raise Conflict(f"the server answered the receipt with {said.status}")
        return said


def _face(simulator: Simulator) -> Played:
    return Played(
        provider=simulator.provider,
        channel=simulator.channel,
        codes={code: dial.value for code, dial in simulator.codes.items()},
        actions=tuple(sorted(each.value for each in {*simulator.actions, *simulator.speaks})),
        silence=simulator.silence,
        faults=simulator.faults,
    )


def _about(recipient: int) -> Callable[[str], bool]:
    def fits(reference: str) -> bool:
        try:
            delivery = read_delivery(reference)
        except RequestRefused:
            return False
        return notification_parts(NotificationKey(delivery[:16])).recipient == recipient

    return fits


def _post(url: str, callback: Callback) -> Response:
    """Make the callback's request and return its answer; raises `Unavailable`."""
    where = urlsplit(url)
    target = callback.path + (f"?{callback.query}" if callback.query else "")
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_TIMEOUT_S)
    try:
        connection.request(callback.method, target, callback.body, dict(callback.headers))
        said = connection.getresponse()
        return Response(said.status, said.headers.get("content-type", ""), said.read())
    except (OSError, http.client.HTTPException) as failed:
        raise Unavailable(f"the receipt did not arrive: {type(failed).__name__}") from None
    finally:
        connection.close()
