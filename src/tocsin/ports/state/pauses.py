"""What operators stopped, and the deliveries that wait for its end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from tocsin.domain.pauses import Pause
from tocsin.ports.state.timers import Timer


class PauseRows(Protocol):
    """
    Pauses, ended ones too, and the timers that wait for their end.

    A timer whose kind is `tocsin.domain.pauses.KIND` and the name of a queue is *parked* in it from
    the moment at which it is armed until it is retired, however that comes about: fired, disarmed
    or released. *Ordered*: a queue is in the order in which its timers were armed.
    """

    def on_change(self, tell: Callable[[], None]) -> None:
        """
        Call *tell* on the loop whenever a pause that was added or ended is durable.

        At most a second later where another process did it.
        """

    async def add(self, pause: Pause) -> None:
        """Add; one whose id is there stays as it is."""

    async def end(self, id: str, by: str, now_ms: int) -> Pause | None:
        """End one and return it; None when there is none that is in force."""

    async def in_force(self) -> Sequence[Pause]:
        """Return those that have not ended, oldest first."""

    async def get(self, ids: Collection[str]) -> Sequence[Pause]:
        """Return those that exist, ended or not."""

    async def queues(self) -> Sequence[str]:
        """Return the queues in which timers are parked. Cheap, however many they are."""

    async def parked(self, queue: str, limit: int) -> Sequence[Timer]:
        """Return the first timers of one queue, in order."""

    async def count(self, queue: str, limit: int) -> int:
        """Return how many timers a queue holds, counting no further than *limit*."""
