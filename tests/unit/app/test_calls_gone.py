"""Right before a call: nothing goes to somebody who was erased after it was prepared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tocsin.app.delivering.calling import Calls
from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.rates import Way
from tocsin.app.delivering.turnstiles import Pass
from tocsin.app.delivering.work import Work
from tocsin.app.erasing.gone import Gone
from tocsin.domain.attempts import History
from tocsin.domain.records import Handoff
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Content, Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome
from tocsin.ports.provider import Flags, ProviderSettings
from tocsin.ports.receipts import Callback, Reading


class Vendor:
    """Takes everything, and remembers it."""

    name = "vendor"
    flags = Flags(batch_max=10)

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        self.taken += [each.reference for each in messages]
        return [Accepted(each.reference) for each in messages]

    async def read_callback(self, callback: Callback) -> Reading:
        raise Unauthenticated("this vendor has no callbacks")

    async def close(self) -> None:
        """Nothing is open."""


def _work(vendor: Vendor, recipient: int) -> Work:
    handoff = Handoff(bytes(20), "bulk", 0, 0, recipient, "w", 1, 0, 1, 0)
    work = Work(0, recipient, handoff, 0, History())
    work.wired = Wired(vendor, ProviderSettings())
    work.passed = PASSED
    work.message = Message(str(recipient), "ana@example.org", Content())
    return work


async def at_once() -> None:
    """Let nothing gather."""


PASSED = Pass(Way("vendor"), 0)


async def _called(gone: Gone, vendor: Vendor) -> dict[bool, list[int]]:
    calls = Calls(5, lambda: None, gone, at_once)
    async with asyncio.TaskGroup() as tasks:
        calls.begin([_work(vendor, 1), _work(vendor, 2)], tasks)
    ended = await calls.ended()
    return {each.made: [work.handoff.recipient for work in each.works] for each in ended}


async def test_who_is_gone_is_not_called_and_the_others_are() -> None:
    gone, vendor = Gone(), Vendor()
    gone.add([1])
    assert await _called(gone, vendor) == {False: [1], True: [2]}
    assert vendor.taken == ["2"]


async def test_a_call_without_anybody_left_is_not_made() -> None:
    gone, vendor = Gone(), Vendor()
    gone.add([1, 2])
    assert await _called(gone, vendor) == {False: [1, 2]}
    assert vendor.taken == []
