"""Messages that a played push service keeps for browsers that are away (RFC 8030, 5.2 to 5.4)."""

from __future__ import annotations

from typing import NamedTuple


class Waiting(NamedTuple):
    """One message, by its number; at ``until_ms`` nobody is to see it any more."""

    number: int
    reference: str
    topic: str | None
    until_ms: int


class Pending:
    """What waits for each endpoint, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Waiting]] = {}

    def keep(self, endpoint: str, one: Waiting) -> None:
        """Keep it; of those with the same topic it is the only one from now on."""
        others = self._waiting.get(endpoint, [])
        topic = one.topic
        kept = [each for each in others if topic is None or each.topic != topic]
        self._waiting[endpoint] = [*kept, one]

    def take_back(self, number: int, now_ms: int) -> bool:
        """Forget one; False for what was shown, replaced, or kept for no longer than until now."""
        for waiting in self._waiting.values():
            for each in waiting:
                if each.number == number:
                    waiting.remove(each)
                    return each.until_ms > now_ms
        return False

    def come_back(self, endpoint: str, now_ms: int) -> list[str]:
        """Return the references of what is shown now; the rest has waited too long."""
        waited = self._waiting.pop(endpoint, [])
        return [each.reference for each in waited if each.until_ms > now_ms]
