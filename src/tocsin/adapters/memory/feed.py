"""From the projections to the gateways, within one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tocsin.ports.log import Batch

_Receive = Callable[[Sequence[Batch]], None]


class MemoryFeed:
    """Fills `tocsin.ports.cache.Feed`: subscribers are called at once, one after the other."""

    def __init__(self) -> None:
        self._subscribers: dict[object, _Receive] = {}

    def publish(self, batches: Sequence[Batch]) -> None:
        """Call everyone who is subscribed now."""
        for receive in tuple(self._subscribers.values()):
            receive(batches)

    def subscribe(self, receive: _Receive) -> Callable[[], None]:
        """Add *receive*; the returned function takes it away and may be called twice."""
        token = object()
        self._subscribers[token] = receive

        def stop() -> None:
            self._subscribers.pop(token, None)

        return stop
