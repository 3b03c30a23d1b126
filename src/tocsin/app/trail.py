"""Notes in the audit trail: who changed what. Never a name, an address or a secret."""

from __future__ import annotations

from tocsin.app.callers import Principal
from tocsin.ports.state import Change, Trail
from tocsin.ports.system import Clock


class Notes:
    """Writes the trail for the use cases."""

    def __init__(self, trail: Trail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock

    async def add(self, by: Principal, action: str, target: str, detail: str = "") -> None:
        """
        Append one entry. *target* names things by our numbers or by keys of documents: a
        recipient's own id may be somebody's email address.
        """
        change = Change(
            at_ms=self._clock.now_ms(), by=by.name, action=action, target=target, detail=detail
        )
        await self._trail.add((change,))
