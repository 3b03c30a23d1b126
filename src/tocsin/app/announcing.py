"""What Tocsin itself has to say to people: events like any other, which a workflow may take."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.app.accepting.accept import Accept
from tocsin.app.addresses import AddressBook, mask
from tocsin.app.callers import ROLES, Principal
from tocsin.app.delivering.endpoint_health import Failing
from tocsin.domain.cloudevents import EventLimits, read_events
from tocsin.domain.instants import show_instant

SOURCE: Final = "tocsin"
ENDPOINT_DISABLED: Final = "tocsin.endpoint.disabled"

_SELF: Final = Principal(name=SOURCE, scopes=ROLES["producer"], producer=SOURCE)


class Announcer:
    """Sends events of its own. The same happening has the same id, so it is told once."""

    def __init__(self, accept: Accept, book: AddressBook) -> None:
        self._accept = accept
        self._book = book

    async def endpoint_disabled(self, failing: Failing) -> None:
        """Tell a recipient that one of her endpoints is not called any more; durable."""
        one, address = failing
        assert address.failing_ms is not None
        event = {
            "type": ENDPOINT_DISABLED,
            "source": SOURCE,
            "id": f"endpoint-{one.number}-{address.number}-{address.failing_ms}",
            "recipients": [one.id],
            "data": {
                "channel": address.channel,
                "address": address.number,
                "endpoint": mask(address.channel, self._book.open(one, address)),
                "failing_since": show_instant(address.failing_ms),
            },
        }
        read = read_events("application/json", {}, msgspec.json.encode([event]), EventLimits())
        await self._accept.take(_SELF, read.items)
